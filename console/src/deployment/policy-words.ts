/** A scaling policy, `track:1000,out=60s|hpa:70+overflow`, in words. Pure. */
import { fixed } from '../kit/format.ts';

/** What stands behind the colon, and the options; those that are told are taken out of them. */
type Parts = { readonly number: string; readonly options: Map<string, string> };

const kinds: Readonly<Record<string, (parts: Parts) => string>> = {
  static: ({ number }) => (number === '' ? 'as the peak needs' : `${number} at all times`),
  'target-tracking': ({ number }) => `each ${number || 70} % busy`,
  hpa: ({ number }) => `each ${number || 70} % busy, as Kubernetes counts`,
  track: trackWords,
  hold: () => 'as it is',
  backlog: () => 'by what waits in the queue of asynchronous requests',
  economic: () => 'economic, what costs least under the promise',
};

/** What is no such policy, or has more options than are told here, is told as it was written, with room to wrap. */
export function policyWords(text: string): string {
  const singles = text.split('|').map(singleWords);
  return singles.length === 1 ? (singles[0] ?? '') : `the most of: ${singles.join('; ')}`;
}

function singleWords(text: string): string {
  const [head = '', plus] = text.trim().split('+');
  const [subject = '', ...assignments] = head.split(',').map((part) => part.trim());
  const [kind = '', number = ''] = subject.split(':');
  const options = new Map(assignments.map((each) => each.split('=').map((part) => part.trim()) as [string, string]));
  const told = kinds[kind]?.({ number, options }) ?? [kind, number].filter((part) => part !== '').join(' ');
  const rest = [...options].map(([name, value]) => `, ${name} ${spaced(value)}`).join('');
  return `${told}${rest}${plus === undefined ? '' : ', functions for what comes over'}`;
}

/** As many as give each so much, and how long after a change there are fewer. */
function trackWords({ number, options }: Parts): string {
  const take = (name: string): string | undefined => {
    const value = options.get(name);
    options.delete(name);
    return value === undefined ? undefined : spaced(value);
  };
  const isConcurrency = take('metric') === 'concurrency';
  const [out, inn] = [take('out') ?? '5 min', take('in') ?? '5 min'];
  const each = isConcurrency ? `${fixed(Number(number))} requests at once for each` : `${fixed(Number(number))} requests a minute for each`;
  if (inn === 'never') return `${each}, never fewer`;
  return `${each}; fewer ${out === inn ? `${out} after a change` : `${out} after there were more, ${inn} after there were fewer`}`;
}

/** `60s` is `60 s`. */
function spaced(value: string): string {
  return value.replace(/^([\d.]+)([a-z]+)$/, '$1 $2');
}
