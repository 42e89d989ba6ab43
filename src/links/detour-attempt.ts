/** One attempt to open a link to the home over another node (detours.ts). */
import type { Socket } from 'node:net';
import type { LinkAnswer } from './answers.ts';
import type { AnsweredLink } from './link-attempt.ts';
import { linkProtocols } from './protocols.ts';

/** A link to the home that another node passes on. */
export interface DetouredLink {
  /** The name of that node. */
  readonly node: string;
  readonly socket: AnsweredLink['socket'];
  readonly answer: Extract<LinkAnswer, { readonly ok: true }>;
}

/** The answer of a node, and its name. */
export interface NodeAnswer extends AnsweredLink {
  readonly node: string;
}

/** `over`: the connection to use in place of a new one. Resolves with the reason if there is no answer. */
export type OpenAnswered = (address: string, introduction: object, over?: Socket) => Promise<NodeAnswer | string>;

/** Over the node at `by`, to the home that this node knows. Resolves with the reason if no link is accepted. */
export async function openOverDetour(
  by: string,
  { home, introduction }: { readonly home: string; readonly introduction: object },
  open: OpenAnswered,
): Promise<DetouredLink | string> {
  const first = accepted(await open(by, { kind: 'detour', protocols: linkProtocols }));
  if (typeof first === 'string') return first;
  const second = accepted(await open(home, { ...introduction, via: first.node }, first.socket));
  return typeof second === 'string' ? `the home behind it: ${second}` : { ...second, node: first.node };
}

function accepted(tried: NodeAnswer | string): DetouredLink | string {
  if (typeof tried === 'string') return tried;
  const { node, socket, answer } = tried;
  if ('ok' in answer) return { node, socket, answer };
  socket.on('error', () => undefined).destroy();
  return 'refused' in answer ? answer.refused : 'it is not the home';
}
