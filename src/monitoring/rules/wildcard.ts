/** Wildcards of event patterns: `*` is whatever text, `\*` an asterisk, `\\` a backslash. */

/** null where an asterisk follows another, or a backslash anything else. */
export function compileWildcard(pattern: string): ((text: string) => boolean) | null {
  if (!/^(?:\\[*\\]|\*(?!\*)|[^*\\])*$/s.test(pattern)) return null;
  // An asterisk that stands for any text is null, so that an escaped one differs.
  const parts = Array.from(pattern.matchAll(/\\([*\\])|(\*)|[\s\S]/g), ([all, escaped, any]) =>
    any === undefined ? (escaped ?? all) : null,
  );
  return (text) => matches(text, parts);
}

/** Greedy with one point to go back to: linear in practice, at worst the product of the lengths. */
function matches(text: string, parts: readonly (string | null)[]): boolean {
  let [at, want, star, from] = [0, 0, -1, 0];
  while (at < text.length) {
    if (parts[want] === null) {
      star = want++;
      from = at;
    } else if (parts[want] === text[at]) {
      want++;
      at++;
    } else if (star >= 0) {
      want = star + 1;
      at = ++from;
    } else return false;
  }
  while (parts[want] === null) want++;
  return want === parts.length;
}
