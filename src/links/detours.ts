/**
 * Detours: a node passes the links of another node, whose own way to the home is cut, on to the home, byte by byte. TLS between the other node
 * and the home goes through: this node reads nothing, and the home knows by the certificate who calls. There are no loops, because a detour is
 * one TCP connection, to the home and nowhere else.
 */
import { connect, type Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { addressParts } from './link-attempt.ts';
import type { LinkPort } from './link-port.ts';

/** The dialing node waits a little longer for a detour than for a link of its own. */
const connectMs = 1000;
/** At once. Each takes two connections; a gateway process needs one, and one for each connection that it passes on. */
const detoursMax = 4000;

export interface DetoursDeps {
  readonly clock: Pick<Clock, 'after'>;
  /** `HOST:PORT` of the home, as far as this node knows; null if none is known. */
  readonly homeAddress: () => string | null;
  /** `HOST:PORT` of this node. */
  readonly ownAddress: () => string | null;
  /** Default: 4000. */
  readonly detoursMax?: number;
}

/** Every node that stands by serves detours. The home rejects them: a node that reaches it needs none. */
export function serveDetours(port: Pick<LinkPort, 'serveAnywhere'>, deps: DetoursDeps): void {
  const open = new Set<Socket>();
  const admit = (): void => {
    const address = deps.homeAddress();
    if (address === null) throw new PlatformError('unavailable', 'this node knows no home to pass a link on to');
    if (address === deps.ownAddress()) throw new PlatformError('unavailable', 'this node is the home itself: link to it without a detour');
    if (open.size >= (deps.detoursMax ?? detoursMax))
      throw new PlatformError('overloaded', `this node passes on ${open.size} links already`);
  };
  port.serveAnywhere(
    'detour',
    ['node'],
    (socket) => {
      const place = addressParts(deps.homeAddress() ?? '');
      if (place === null) return void socket.destroy(); // it was lost meanwhile
      const home = connect({ ...place, noDelay: true, keepAlive: true });
      open.add(socket);
      const cancel = deps.clock.after(connectMs, () => home.destroy());
      home.once('connect', cancel);
      socket.once('close', () => open.delete(socket));
      for (const [one, other] of [
        [socket, home],
        [home, socket],
      ] as const) {
        one.on('error', () => undefined).once('close', () => void other.destroy());
        one.pipe(other);
      }
      home.once('close', cancel);
    },
    admit,
  );
}
