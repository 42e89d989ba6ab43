/** Names for values and nodes that a rewritten graph gets. */
import type { GraphProto } from 'onnx-buf';

/** All names of a graph and of the graphs within its nodes, which see its values. */
export function namesIn(graph: GraphProto): Set<string> {
  const names = new Set([...graph.input, ...graph.output, ...graph.initializer].map(({ name }) => name));
  for (const { name, input, output, attribute } of graph.node) {
    for (const each of [name, ...input, ...output]) names.add(each);
    for (const { g, graphs } of attribute) {
      for (const inner of g === undefined ? graphs : [g, ...graphs]) for (const each of namesIn(inner)) names.add(each);
    }
  }
  return names;
}

/** `wanted`, with a number appended if that name is taken. Adds the result to `taken`. */
export function unusedName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let number = 1; taken.has(name); number++) name = `${wanted}_${number}`;
  taken.add(name);
  return name;
}
