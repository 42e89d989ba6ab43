/** Entry point of a gateway process. The server sends its orders over the IPC channel, and everything else over the link. */
import { setFlagsFromString } from 'node:v8';
import { SystemClock } from '../clock.ts';
import type { FastRequest } from '../connections/index.ts';
import { messageOf } from '../errors.ts';
import { SystemRandom } from '../random.ts';
import { v8Flags } from '../v8-flags.ts';
import { OtherHomes } from './dial-other.ts';
import { FrontGrpc } from './front-grpc.ts';
import { FrontInference } from './front-inference.ts';
import { type DrainTimes, FrontServer, type FrontServerOptions } from './front-server.ts';
import { type HomeTarget, HomeTargets } from './home-target.ts';
import { factsOf } from './introduction.ts';
import { LinkedHome } from './linked-home.ts';
import { PassedConnections } from './pass-on.ts';

/** The first message to the process: what to listen to, and where the home is. */
export interface FrontOrders extends FrontServerOptions {
  readonly port: number;
  /** Null: this process serves no gRPC. */
  readonly grpcPort: number | null;
  readonly target: HomeTarget;
  /** Whether the home may change. If not, the process ends with its home. */
  readonly isNode: boolean;
}

/** A later message: the home is another one, or the process is to finish and end. */
export type FrontChange = { readonly target: HomeTarget } | { readonly drain: DrainTimes };

/** The answer to the first message: the ports, or why it cannot listen. */
export type FrontReport = { readonly port: number; readonly grpcPort: number | null } | { readonly failed: string };

for (const flag of v8Flags) setFlagsFromString(flag);
// Signals of a terminal or of systemd go to all processes: the server drains its gateway processes itself.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));
process.once('message', (orders: FrontOrders) => void serve(orders));

async function serve(orders: FrontOrders): Promise<void> {
  const clock = new SystemClock();
  const others = new OtherHomes(clock);
  const targets = new HomeTargets(orders.target, { clock, dialOther: others.dial.bind(others), waits: orders.isNode });
  const home = new LinkedHome({
    clock,
    dial: async (signal) => {
      const socket = await targets.dial({ kind: 'front' }, signal);
      const isOther = targets.target.other !== undefined;
      return { socket, isOther, isDetour: isOther && others.isDetour };
    },
    triesDirect: (signal) => others.triesDirect(signal),
    // A server on this machine listens soon, and one that is not known yet is about to be: nodes tell each other by the database.
    isHomeNear: () => targets.target.other === undefined || others.isAboutToServe(),
    onCatalogue: (endpoints) => inference.setCatalogue(endpoints),
    onCutOff: () => passed.rejectWaiting(),
    onEnd: (_why, isSilent) => {
      if (!orders.isNode) process.exit(1);
      if (isSilent) targets.endPassed();
      inference.forgetCallers();
      return true;
    },
  });
  const inference = new FrontInference({ clock, random: new SystemRandom(), home, numberOf: connectionNumbers(home) });
  const passed = new PassedConnections({ clock, dial: (dial, signal) => targets.dial(dial, signal), home });
  const server = new FrontServer(orders, {
    clock,
    passed,
    serve: (request, response) => inference.serve(request, response),
  });
  const grpc = orders.grpcPort === null ? null : new FrontGrpc(clock, orders, passed);
  process.on('message', (change: FrontChange) => {
    if ('drain' in change) void Promise.all([server.drain(change.drain), grpc?.drain(change.drain)]).then(() => process.exit(0));
    else follow(change.target, targets, home);
  });
  home.open();
  try {
    const port = await server.listen(orders.port);
    report({ port, grpcPort: (await grpc?.listen(orders.grpcPort as number)) ?? null });
  } catch (error) {
    report({ failed: messageOf(error) });
  }
}

/** A new identity alone is for connections from now on. */
function follow(target: HomeTarget, targets: HomeTargets, home: LinkedHome): void {
  const isSame = target.term === targets.target.term;
  targets.set(target);
  if (!isSame) home.relink();
}

function report(what: FrontReport): void {
  process.send?.(what);
}

/** Numbers connections, and reports them to the server with their first forwarded request. */
function connectionNumbers(home: LinkedHome): (request: FastRequest) => number {
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
