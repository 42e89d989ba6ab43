/** Addresses as those see them who may not change them: who knows that of a webhook may often write there, with nothing else asked. Pure. */

/** A segment of a path that is a word, such as `services`, and no key. */
const word = /^[a-z][a-z_-]{0,15}$/;
const urls = /https?:\/\/[^\s"'\\]+/gi;

/** Of a URL the origin, and the words that its path begins with: `https://hooks.example/services/…`. What is none, an ARN, stays as it is. */
export function addressShown(address: string): string {
  if (!/^https?:/i.test(address)) return address;
  if (!URL.canParse(address)) return '…';
  const { origin, pathname, search, hash } = new URL(address);
  const segments = pathname.split('/').filter((segment) => segment !== '');
  const end = segments.findIndex((segment) => !word.test(segment));
  const words = end === -1 ? segments : segments.slice(0, end);
  const isCut = end !== -1 || search !== '' || hash !== '';
  return [origin, ...words, ...(isCut ? ['…'] : [])].join('/');
}

/** The same of all URLs in a text. */
export function addressesShown(text: string): string {
  return text.replaceAll(urls, addressShown);
}
