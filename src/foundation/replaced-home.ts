/**
 * The next home tells the one before that it was replaced. Most often that one is dead; but a home that is only cut off from the database goes
 * on with its clients and hosts, because it cannot know whether the database is away for all.
 */
import type { Clock } from '../clock.ts';
import { addressParts, HomeDialer, type LinkIdentity } from '../links/index.ts';
import { SystemRandom } from '../random.ts';

/** The node that has the role now. */
export interface NextHome {
  readonly name: string;
  readonly epoch: number;
  /** `HOST:PORT` of its links. */
  readonly address: string;
}

const tellMsMax = 5000;

/** Tries for some seconds, until `closing` is aborted. Rejects if the home before does not answer. */
export async function tellReplaced(
  before: string,
  next: NextHome,
  { clock, identity, closing }: { readonly clock: Clock; readonly identity: LinkIdentity; readonly closing: AbortSignal },
): Promise<void> {
  const dialer = new HomeDialer({ clock, random: new SystemRandom(), addresses: [before], identity });
  const limit = new AbortController();
  const cancel = clock.after(tellMsMax, () => limit.abort());
  await dialer.request('replaced', next, AbortSignal.any([limit.signal, closing])).finally(cancel);
}

/** Null if it says nothing new to a node with this epoch. Only a node that took the role has a newer one. */
export function nextHomeIn({ name, epoch, address }: Readonly<Record<string, unknown>>, ownEpoch: number): NextHome | null {
  const isNewer = typeof epoch === 'number' && epoch > ownEpoch;
  if (!isNewer || typeof name !== 'string' || typeof address !== 'string' || addressParts(address) === null) return null;
  return { name, epoch, address };
}
