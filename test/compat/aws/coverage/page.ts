/** The page whose tables are made: each stands between the marks `<!-- operations: SERVICE -->` and `<!-- end -->`. */
const marked = /(<!-- operations: ([\w-]+) -->\n)([\s\S]*?)(<!-- end -->)/g;

/** Throws where a service has no place on the page, or a place no service. */
export function replaceTables(text: string, tables: ReadonlyMap<string, string>): string {
  const left = new Set(tables.keys());
  const written = text.replace(marked, (_whole, mark: string, service: string, _old, end: string) => {
    const table = tables.get(service);
    if (table === undefined) throw new Error(`the page has a place for ${service}, which is not served`);
    left.delete(service);
    return `${mark}\n${table}\n\n${end}`;
  });
  if (left.size > 0)
    throw new Error(`the page has no place for ${[...left].join(', ')}: it wants <!-- operations: NAME --> and <!-- end -->`);
  return written;
}

/** The operations that each table names. */
export function namedOperations(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, , service = '', table = ''] of text.matchAll(marked)) {
    found.set(
      service,
      [...table.matchAll(/^\| \*\*(\w+)\*\*/gm)].map(([, name = '']) => name),
    );
  }
  return found;
}
