/** Redacts addresses for users without permission to change them: knowing a webhook's URL is often enough to post to it. Pure. */

/** A path segment that is a word, such as `services`, and not a key. */
const word = /^[a-z][a-z_-]{0,15}$/;
const urls = /https?:\/\/[^\s"'\\]+/gi;

/** Reduces a URL to its origin and leading path words: `https://hooks.example/services/…`. An ARN is unchanged. */
export function redactAddress(address: string): string {
  if (!/^https?:/i.test(address)) return address;
  if (!URL.canParse(address)) return '…';
  const { origin, pathname, search, hash } = new URL(address);
  const segments = pathname.split('/').filter((segment) => segment !== '');
  const end = segments.findIndex((segment) => !word.test(segment));
  const words = end === -1 ? segments : segments.slice(0, end);
  const isCut = end !== -1 || search !== '' || hash !== '';
  return [origin, ...words, ...(isCut ? ['…'] : [])].join('/');
}

/** Redacts all URLs in a text. */
export function redactAddresses(text: string): string {
  return text.replaceAll(urls, redactAddress);
}
