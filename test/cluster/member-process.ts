/**
 * A node in a process of its own, which a test kills or stops: `node member-process.ts URL NAME`. Prints the number of its slots when that
 * changed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SystemClock } from '../../src/clock.ts';
import { Member, type MemberOptions } from '../../src/cluster/index.ts';
import { openDatabase, Presence } from '../../src/storage/index.ts';

const [url = '', name = ''] = process.argv.slice(2);
const clock = new SystemClock();
const { db } = await openDatabase({ url, limits: { connectMs: 2000, statementMs: 5000 } });

const options: MemberOptions = {
  db,
  clock,
  node: { name, version: '0.1.0' },
  handlers: { taken: () => undefined, beforeHandOver: async () => undefined, lost: () => undefined },
  openPresence: (key) => Presence.open(url, key, { clock, connectMs: 2000 }),
  onFailure: (error) => process.stderr.write(`${name}: ${String(error)}\n`),
};

/** The process that was killed before is live until its lease runs out. */
async function join(): Promise<Member> {
  for (;;) {
    const member = await Member.join(options).catch(() => null);
    if (member !== null) return member;
    await sleep(100);
  }
}

const member = await join();
member.open();
let printed = -1;
setInterval(() => {
  const { size } = member.owned;
  if (size !== printed) process.stdout.write(`${size}\n`);
  printed = size;
}, 5);
