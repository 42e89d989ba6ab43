/** Collects a repeatable option of addresses. `none` also discards earlier ones. */
export function addressList(text: string, before: readonly string[] = []): readonly string[] {
  return text === 'none' ? [] : [...before, text];
}
