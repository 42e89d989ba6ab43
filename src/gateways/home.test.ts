/** Serving itself and the links of gateway processes, on this machine and from another node, keep one contract. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { homeContract, type OpenedHome } from '../../test/home-contract.ts';
import { linkEnds } from '../../test/links-fixture.ts';
import type { ServingFixture } from '../../test/serving-fixture.ts';
import type { CatalogueEndpoint } from './catalogue.ts';
import { FrontLink } from './front-link.ts';
import { RemoteHome } from './remote-home.ts';
import { RouteNumbers } from './route-numbers.ts';

homeContract('serving', async ({ serving }) => ({
  enter: (call, settle) => serving.enter(serving.route('e'), call, settle),
  close: async () => undefined,
}));

homeContract('the link of a gateway process', async (fixture) => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-link-'));
  const server = createServer().listen(join(folder, 'socket'));
  await once(server, 'listening');
  const far = connect(join(folder, 'socket'));
  const [near] = (await once(server, 'connection')) as [Socket];
  return openHome(fixture, { near, far }, async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });
});

homeContract('the link of a gateway process to another node', async (fixture) => {
  const closers: (() => unknown)[] = [];
  const context = { after: (run: () => unknown) => void closers.push(run) } as Pick<TestContext, 'after'>;
  const ends = await linkEnds(context, 'front', { role: 'node', name: 'n2' });
  return openHome(fixture, ends, async () => {
    for (const close of closers.reverse()) await close();
  });
});

/** The home behind a link whose ends are in this process. */
async function openHome(
  { serving, clock }: ServingFixture,
  { near, far }: { readonly near: Socket; readonly far: Socket },
  close: () => Promise<void>,
): Promise<OpenedHome> {
  const numbers = new RouteNumbers();
  const link = new FrontLink(near, {
    clock,
    home: serving,
    routeOf: (number) => numbers.routeOf(number),
    serveWhole: () => () => undefined,
    connectionOf: (facts) => facts as object,
    logError: () => undefined,
    onEnd: () => undefined,
  });
  let onCatalogue: (endpoints: readonly CatalogueEndpoint[]) => void = () => undefined;
  const catalogue = new Promise<readonly CatalogueEndpoint[]>((resolve) => (onCatalogue = resolve));
  const home = new RemoteHome(far, { clock, onCatalogue, onLeave: () => undefined, onEnd: () => undefined });
  for (const socket of [near, far]) socket.resume();
  link.setCatalogue(numbers.catalogueOf(serving.plainEndpoints()));
  const route = (await catalogue)[0]?.routes[0];
  if (route === undefined) throw new Error('the endpoint is plain');
  return {
    enter: (call, settle) => home.enter(route, call, settle),
    close: async () => {
      far.destroy();
      link.close();
      await close();
    },
  };
}
