/** Describes a scaling policy such as `track:1000,out=60s|hpa:70+overflow`. Pure functions. */
import { fixed } from '../../kit/format/format.ts';

/** The number after the colon, and the options. A describer removes the options that it has covered. */
type Parts = { readonly number: string; readonly options: Map<string, string> };

const kinds: Readonly<Record<string, (parts: Parts) => string>> = {
  static: ({ number }) => (number === '' ? 'enough for the peak' : `${number} at all times`),
  'target-tracking': ({ number }) => `${number || 70} % utilization`,
  hpa: ({ number }) => `${number || 70} % utilization (Kubernetes HPA)`,
  track: formatTrack,
  hold: () => 'no change',
  backlog: () => 'by the length of the asynchronous queue',
  economic: () => 'economic: the cheapest that meets the objective',
};

/** Unknown policies and options are shown as written, with spaces so that the text can wrap. */
export function formatPolicyText(text: string): string {
  const singles = text.split('|').map(formatSingle);
  return singles.length === 1 ? (singles[0] ?? '') : `the maximum of: ${singles.join('; ')}`;
}

function formatSingle(text: string): string {
  const [head = '', plus] = text.trim().split('+');
  const [subject = '', ...assignments] = head.split(',').map((part) => part.trim());
  const [kind = '', number = ''] = subject.split(':');
  const options = new Map(assignments.map((each) => each.split('=').map((part) => part.trim()) as [string, string]));
  const described = kinds[kind]?.({ number, options }) ?? [kind, number].filter((part) => part !== '').join(' ');
  const rest = [...options].map(([name, value]) => `, ${name} ${spaced(value)}`).join('');
  return `${described}${rest}${plus === undefined ? '' : ', overflow to functions'}`;
}

/** Target tracking: the target per instance and the cooldowns before scaling in. */
function formatTrack({ number, options }: Parts): string {
  const take = (name: string): string | undefined => {
    const value = options.get(name);
    options.delete(name);
    return value === undefined ? undefined : spaced(value);
  };
  const isConcurrency = take('metric') === 'concurrency';
  const [out, inn] = [take('out') ?? '5 min', take('in') ?? '5 min'];
  const each = isConcurrency ? `${fixed(Number(number))} concurrent requests each` : `${fixed(Number(number))} requests per minute each`;
  if (inn === 'never') return `${each}, never scales in`;
  return `${each}; scales in ${out === inn ? `${out} after a change` : `${out} after scaling out, ${inn} after scaling in`}`;
}

/** `60s` is `60 s`. */
function spaced(value: string): string {
  return value.replace(/^([\d.]+)([a-z]+)$/, '$1 $2');
}
