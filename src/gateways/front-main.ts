/** Entry point of a gateway process. The server sends its orders over the IPC channel, and everything else over the link. */
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { SystemClock } from '../clock.ts';
import type { FastRequest } from '../connections/index.ts';
import { messageOf } from '../errors.ts';
import { introductionBytes } from '../links/index.ts';
import { SystemRandom } from '../random.ts';
import { v8Flags } from '../v8-flags.ts';
import { FrontInference } from './front-inference.ts';
import { FrontServer, type FrontServerOptions } from './front-server.ts';
import { factsOf } from './introduction.ts';
import { RemoteHome } from './remote-home.ts';

/** The first message to the process: what to listen to. */
export interface FrontOrders extends FrontServerOptions {
  readonly port: number;
}

/** The answer: the port, or why it cannot listen. */
export type FrontReport = { readonly port: number } | { readonly failed: string };

for (const flag of v8Flags) setFlagsFromString(flag);
// Signals of a terminal or of systemd go to all processes: the server drains its gateway processes itself.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));
process.once('message', (orders: FrontOrders) => void serve(orders));

async function serve(orders: FrontOrders): Promise<void> {
  const clock = new SystemClock();
  const socket = connect({ path: orders.socketPath });
  socket.write(introductionBytes({ token: orders.token, connection: null }));
  const home = new RemoteHome(socket, {
    clock,
    onCatalogue: (endpoints) => inference.setCatalogue(endpoints),
    onDrain: (times) => void server.drain(times).then(() => process.exit(0)),
    onEnd: () => process.exit(1),
  });
  const inference = new FrontInference({ clock, random: new SystemRandom(), home, numberOf: connectionNumbers(home) });
  const server = new FrontServer(orders, { clock, serve: (request, response) => inference.serve(request, response) });
  try {
    report({ port: await server.listen(orders.port) });
  } catch (error) {
    report({ failed: messageOf(error) });
  }
}

function report(what: FrontReport): void {
  process.send?.(what);
}

/** Numbers connections, and reports them to the server with their first forwarded request. */
function connectionNumbers(home: RemoteHome): (request: FastRequest) => number {
  const numbers = new WeakMap<object, number>();
  let last = 0;
  return ({ socket }) => {
    const known = numbers.get(socket);
    if (known !== undefined) return known;
    const number = ++last;
    numbers.set(socket, number);
    home.connected(number, factsOf(socket));
    socket.once('close', () => home.disconnected(number));
    return number;
  };
}
