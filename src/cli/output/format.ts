/** Formats numbers, times and tensors for people. */

const sizes = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `26 KiB`, `1.5 GiB` */
export function bytesText(bytes: number): string {
  let value = bytes;
  let size = 0;
  while (value >= 1024 && size < sizes.length - 1) {
    value /= 1024;
    size++;
  }
  return `${value >= 10 || size === 0 ? Math.round(value) : Math.round(value * 10) / 10} ${sizes[size]}`;
}

/** `0.4 ms`, `12 ms`, `1.5 s` */
export function formatMsText(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 100) / 100} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${Math.round(ms / 100) / 10} s`;
}

/** `97.1 %`. Rounded down, so a narrow miss never reads as a success. */
export function shareText(share: number): string {
  return `${Math.floor(1000 * share) / 10} %`;
}

/** `$0.223`, `$12.50`: three significant digits below one dollar, at most six decimals. */
export function formatUsd(usd: number): string {
  if (usd >= 1) return `$${usd.toFixed(2)}`;
  if (usd < 1e-12) return '$0';
  if (usd < 1e-6) return 'under $0.000001';
  const digits = Math.min(6, 2 - Math.floor(Math.log10(usd)));
  return `$${usd.toFixed(digits).replace(/\.?0+$/, '')}`;
}

/** `1 request`, `2 requests`. */
export function countText(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** Cuts text at `most` characters, ending in `…`. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).trimEnd()}…`;
}

/** `12 s`, `5 min`, `3 h`, `2 days`. */
export function durationText(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** `2026-11-24 16:29:36 UTC`, for text without a title that names the time zone. */
export function utcText(iso: string | null): string {
  return iso === null ? '' : `${timeText(iso)} UTC`;
}

/** `2026-11-24 16:29:36`, for columns whose title says UTC. */
export function timeText(iso: string | null): string {
  return iso === null ? '' : iso.slice(0, 19).replace('T', ' ');
}

/** `pixels FP32 [-1,64]` */
export function tensorsText(
  tensors: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[],
): string {
  return tensors.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(',')}]`).join('\n');
}

/** `a=1, b=2` */
export function pairsText(record: Readonly<Record<string, string | number>>): string {
  return Object.entries(record)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
}

/** Quotes a word for a POSIX shell, if it needs quoting. */
export function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
