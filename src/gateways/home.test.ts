/** Serving itself and the link of a gateway process keep one contract. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { homeContract } from '../../test/home-contract.ts';
import type { CatalogueEndpoint } from './catalogue.ts';
import { FrontLink } from './front-link.ts';
import { RemoteHome } from './remote-home.ts';
import { RouteNumbers } from './route-numbers.ts';

homeContract('serving', async ({ serving }) => ({
  enter: (call, settle) => serving.enter(serving.route('e'), call, settle),
  close: async () => undefined,
}));

homeContract('the link of a gateway process', async ({ serving, clock }) => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-link-'));
  const server = createServer().listen(join(folder, 'socket'));
  await once(server, 'listening');
  const far = connect(join(folder, 'socket'));
  const [near] = (await once(server, 'connection')) as [Socket];
  const numbers = new RouteNumbers();
  const link = new FrontLink(near, {
    clock,
    home: serving,
    routeOf: (number) => numbers.routeOf(number),
    serveWhole: () => () => undefined,
    logError: () => undefined,
    onEnd: () => undefined,
  });
  let onCatalogue: (endpoints: readonly CatalogueEndpoint[]) => void = () => undefined;
  const catalogue = new Promise<readonly CatalogueEndpoint[]>((resolve) => (onCatalogue = resolve));
  const home = new RemoteHome(far, { clock, onCatalogue, onDrain: () => undefined, onEnd: () => undefined });
  link.setCatalogue(numbers.catalogueOf(serving.plainEndpoints()));
  const route = (await catalogue)[0]?.routes[0];
  if (route === undefined) throw new Error('the endpoint is plain');
  return {
    enter: (call, settle) => home.enter(route, call, settle),
    close: async () => {
      far.destroy();
      link.close();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };
});
