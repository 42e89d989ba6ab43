/** A page with generated tables, each between the marks `<!-- operations: SERVICE -->` and `<!-- end -->`. */
const tablePattern = /(<!-- operations: ([\w-]+) -->\n)([\s\S]*?)(<!-- end -->)/g;

/** Throws if marks and services do not match. */
export function replaceTables(text: string, tables: ReadonlyMap<string, string>): string {
  const missing = new Set(tables.keys());
  const written = text.replace(tablePattern, (_whole, mark: string, service: string, _old, end: string) => {
    const table = tables.get(service);
    if (table === undefined) throw new Error(`the page has marks for ${service}: expected a supported service. Remove them.`);
    missing.delete(service);
    return `${mark}\n${table}\n\n${end}`;
  });
  if (missing.size > 0)
    throw new Error(`the page has no marks for ${[...missing].join(', ')}: expected <!-- operations: NAME --> and <!-- end -->`);
  return written;
}

/** The operations listed in each table. */
export function namedOperations(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, , service = '', table = ''] of text.matchAll(tablePattern)) {
    found.set(
      service,
      [...table.matchAll(/^\| \*\*(\w+)\*\*/gm)].map(([, name = '']) => name),
    );
  }
  return found;
}
