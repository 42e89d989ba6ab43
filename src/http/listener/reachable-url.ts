/** The URL of a server as other machines reach it. Pure. */
import { isLoopback } from '../../config.ts';

/** Replaces a wildcard address (0.0.0.0, ::) by a name of the certificate, which a browser can open. */
export function reachableUrl(url: string, names: readonly string[]): string {
  if (!/\/\/(?:0\.0\.0\.0|\[::\]):/.test(url)) return url;
  const name = names.find((other) => !isLoopback(other) && !['0.0.0.0', '::', '[::]'].includes(other)) ?? 'localhost';
  return `https://${name.includes(':') ? `[${name}]` : name}:${new URL(url).port}`;
}
