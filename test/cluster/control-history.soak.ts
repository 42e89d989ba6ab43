/**
 * Control calls at three nodes whose home is killed again and again: one order explains all answers, and nothing acknowledged is lost. Part of
 * `npm run soak:cluster`.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SeededRandom } from '../../src/random.ts';
import { until } from '../end-to-end/poll.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { ControlHistory } from './control-history.ts';
import { ended, NodesFixture } from './nodes-fixture.ts';

const calls = Number(process.env['CALLS'] ?? 3000);
/** Spread over the calls. */
const kills = 5;
const names = ['a', 'b', 'c'];

describe('control calls at three nodes', { skip: whyNoPostgres() }, () => {
  let nodes: NodesFixture;
  before(async () => {
    nodes = await NodesFixture.create();
    await nodes.start('a');
    await nodes.deployDigits('a');
    await Promise.all([nodes.start('b'), nodes.start('c')]);
  });
  after(() => nodes?.close());

  test(`${calls} calls have one order, while the home is killed ${kills} times`, async (t) => {
    const spares: string[] = [];
    for (const group of ['spare', 'other']) spares.push((await nodes.registerDigits('a', group)).name);
    const history = new ControlHistory({
      urls: () => names.filter((name) => nodes.isRunning(name)).map((name) => nodes.node(name).url),
      key: nodes.key,
      random: new SeededRandom(1),
      clients: 5,
      model: 'digits/1',
      spares,
      names: 8,
    });
    let isBroken = false;
    const running = history
      .run(() => isBroken || history.counts.known >= calls)
      .catch((error: unknown) => {
        isBroken = true;
        throw error;
      });
    const killing = (async () => {
      for (let kill = 1; kill <= kills; kill++) {
        await until('more calls are answered', () => isBroken || history.counts.known >= (calls * kill) / (kills + 1), 600_000);
        if (isBroken) return;
        const home = await nodes.home();
        nodes.node(home).child.kill('SIGKILL');
        await ended(nodes.node(home));
        await until('another node is the home', async () => (await nodes.home()) !== home);
        await nodes.start(home);
      }
    })();
    await Promise.all([running, killing]);
    const { known, refused, unknown } = history.counts;
    const fromMs = performance.now();
    const why = history.whyNotLinearizable();
    const tookMs = Math.round(performance.now() - fromMs);
    t.diagnostic(`${known} calls with a known outcome, ${refused} refused, ${unknown} unknown; an order was sought for ${tookMs} ms`);
    assert.equal(why, null);
  });
});
