/** The server's ends of the connections of gateway processes, whose other ends may be killed at any time. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { until } from '../../test/end-to-end/poll.ts';
import { VirtualClock } from '../clock.ts';
import { messageFrame } from '../runtime/index.ts';
import type { CatalogueEndpoint } from './catalogue.ts';
import { FrontLink } from './front-link.ts';
import { readIntroduced } from './introduction.ts';
import { bytesFrame, linkKinds, signalFrame } from './link-frames.ts';
import { RemoteHome } from './remote-home.ts';

let folder: string;
let server: Server;
let far: Socket;
let near: Socket;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-link-'));
  server = createServer({ allowHalfOpen: true }).listen(join(folder, 'socket')); // as a server of node:http
  await once(server, 'listening');
  far = connect(join(folder, 'socket'));
  [near] = (await once(server, 'connection')) as [Socket];
});

afterEach(async () => {
  for (const socket of [far, near]) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

function openLink(): { readonly link: FrontLink; readonly events: readonly string[] } {
  const events: string[] = [];
  const link = new FrontLink(near, {
    clock: new VirtualClock(),
    home: { enter: () => () => undefined },
    routeOf: () => undefined,
    serveWhole: () => {
      events.push('served');
      return () => events.push('left');
    },
    connectionOf: (facts) => facts as object,
    logError: () => undefined,
    onEnd: () => events.push('ended'),
  });
  return { link, events };
}

test('the requests of a gateway process are given up when it is killed, although nothing is sent to it', async () => {
  const { events } = openLink();
  far.write(messageFrame(1, linkKinds.connected, {}));
  far.write(bytesFrame(1, linkKinds.whole, 1, [Buffer.from('x')]));
  await until('the request has arrived', () => events.length > 0);
  far.destroy();
  await until('the link has ended', () => events.includes('ended'), 5000);
  assert.deepEqual(events, ['served', 'left', 'ended']);
});

test('a frame longer than any request ends the link before memory is taken for it', async () => {
  const { events } = openLink();
  const head = bytesFrame(1, linkKinds.whole, 1, []);
  head.writeUInt32LE(512 * 1024 * 1024, 0);
  far.write(head);
  await until('the link has ended', () => events.includes('ended'), 5000);
});

test('a connection that ends without an introduction is closed', async () => {
  readIntroduced(near, 'token', () => assert.fail('it has none'));
  far.end();
  await until('it is closed', () => near.destroyed, 5000);
});

test('a catalogue that is too long for a frame is left out, and the link stays', async () => {
  const catalogues: (readonly CatalogueEndpoint[])[] = [];
  const onEnd = (why: string) => assert.fail(why);
  new RemoteHome(far, {
    clock: new VirtualClock(),
    onCatalogue: (endpoints) => catalogues.push(endpoints),
    onLeave: () => undefined,
    onEnd,
  });
  const { link } = openLink();
  const name = 'e'.repeat(1024);
  link.setCatalogue(Array.from({ length: 40_000 }, () => ({ name, routes: [] })));
  await until('it has arrived', () => catalogues.length > 0);
  assert.deepEqual(catalogues, [[]]);
  far.removeAllListeners('close');
});

test('a beat that asks for an echo measures the round trip; a gateway process of an older version has none', async () => {
  const clock = new VirtualClock();
  const options = { home: { enter: () => () => undefined }, routeOf: () => undefined, serveWhole: () => () => undefined };
  const link = new FrontLink(near, { clock, ...options, connectionOf: () => ({}), logError: () => undefined, onEnd: () => undefined });
  near.resume();
  link.beat(true);
  clock.advance(3);
  assert.equal(link.lagMs, null);
  const deps = { clock, onCatalogue: () => undefined, onLeave: () => undefined, onEnd: () => undefined };
  const front = new RemoteHome(far, deps);
  far.resume();
  await until('the beat is echoed', () => link.lagMs !== null, 5000);
  assert.equal(link.lagMs, 3);
  for (let each = 0; each < 3; each++) link.beat();
  far.write(signalFrame(7, linkKinds.echo)); // of no beat
  await until('it is read', () => near.bytesRead === far.bytesWritten, 5000);
  assert.equal(link.lagMs, 3);
  front.close('the test ends');
});
