/** Python models among hosts that can run them and hosts that cannot. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { HostsFixture, viewWhere, workerSpec } from '../../test/hosts-fixture.ts';
import { homePython, openPythons, skipPython, sumModel, sumsOf } from '../../test/hosts-python.ts';
import type { WorkerSpec } from '../providers/index.ts';
import { type LocalWorkers, noListener } from './placed-options.ts';
import type { PlacedProvider } from './placed-provider.ts';
import type { NewPlacement } from './placement-decisions.ts';

describe('a Python model', { skip: skipPython }, () => {
  let fixture: HostsFixture;
  let placements: NewPlacement[];
  beforeEach(() => {
    fixture = new HostsFixture();
    placements = [];
  });
  afterEach(() => fixture.close());

  async function openHome(localWorkers: LocalWorkers = 'always', hasNetwork = false): Promise<PlacedProvider> {
    const home = await fixture.openHome({
      localWorkers,
      local: await fixture.openLocal(undefined, undefined, (await openPythons()).interpreterOf),
      home: { name: 'home', zone: 'z0', cpuMilli: 8000, memoryMiB: 8192 },
      python: { ...homePython, hasNetwork },
    });
    home.follow({ wantedOf: () => 'ready' }, { ...noListener, placed: (placement) => void placements.push(placement) });
    return home;
  }

  const spec = (): WorkerSpec => workerSpec('test_affine', { id: 'w', ...sumModel(fixture.root) });
  const ready = async (home: PlacedProvider, host: string | undefined): Promise<void> => {
    await viewWhere(home, (view) => view.state === 'ready' && view.host?.name === host);
    const link = home.link('w');
    assert(link !== null);
    assert.deepEqual(await sumsOf(link, [1, 2, 3]), [6]);
  };

  test('that no host can run starts on the home, with the reason, and moves to the first host that can', async () => {
    const home = await openHome('when-needed');
    await fixture.openHost('plain');
    await home.start(spec());
    await ready(home, undefined);
    const [placed] = placements;
    assert.deepEqual([placed?.host, placed?.reason], ['home', 'no host can run it: plain cannot run it: it has no Python']);
    await fixture.openHost('able', { pythons: await openPythons() });
    await ready(home, 'able');
    assert.equal(placements.at(-1)?.cause, 'stopgap');
  });

  test('goes past an empty host without its Python, and on to no such host when its own is lost', async () => {
    const home = await openHome();
    await fixture.openHost('plain');
    const able = await fixture.openHost('able', { pythons: await openPythons(), cpuMilli: 1000 });
    home.follow(
      { wantedOf: (host) => (host === 'home' ? 'cordoned' : 'ready') },
      { ...noListener, placed: (placement) => void placements.push(placement) },
    );
    await home.start(spec());
    await ready(home, 'able');
    assert.match(placements[0]?.reason ?? '', /; plain cannot run it: it has no Python$/);
    await able.close();
    const { reason } = await viewWhere(home, (view) => view.state === 'starting' && /no ready host/.test(view.reason ?? ''));
    assert.match(reason ?? '', /plain cannot run it: it has no Python/);
  });

  test('that may use the network stays on the home', async () => {
    const home = await openHome('always', true);
    await fixture.openHost('able', { pythons: await openPythons() });
    await home.start(spec());
    await ready(home, undefined);
    await home.stop('w');
    assert.deepEqual(placements, []);
  });
});
