/** One attempt to open a link: connect, check the certificate of the node, introduce, read the answer. */
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { type LinkAnswer, linkAnswer } from './answers.ts';
import { introductionBytes, readIntroduction } from './introduction.ts';

/** The codes of certificates from an authority that this side does not trust. */
const foreignCodes: ReadonlySet<unknown> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
const foreignReason =
  'its certificate is of another cluster, or of this one after a restore or `penstock cluster rotate --urgent`: then hosts must join again, with a new token';
const codeOf = (error: Error): unknown => ('code' in error ? error.code : null);

export interface LinkAttempt {
  readonly clock: Pick<Clock, 'after'>;
  /** `HOST:PORT` */
  readonly address: string;
  readonly tls: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized'>;
  /** Why the other side is not the right one, before anything is sent to it; null if it is. */
  readonly check: (socket: TLSSocket) => string | null;
  readonly introduction: object;
  /** Opened already, to a node that passes it on to the address. Default: a connection to the address. */
  readonly over?: Socket | undefined;
  /** For all of it. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** A paused connection, whose answer was read. */
export interface AnsweredLink {
  readonly socket: TLSSocket;
  readonly answer: LinkAnswer;
}

/** Resolves with the reason if there is no answer. */
export function openLink({ clock, address, tls, check, introduction, over, limitMs, signal }: LinkAttempt): Promise<AnsweredLink | string> {
  const place = addressParts(address);
  if (place === null) return Promise.resolve('its address is not HOST:PORT');
  return new Promise((resolve) => {
    // Its name in the cluster counts, not its address: `check` looks at it.
    const checkServerIdentity = (): undefined => undefined;
    const socket = connect({ ...(over === undefined ? place : { socket: over }), ...tls, minVersion: 'TLSv1.3', checkServerIdentity });
    socket.setNoDelay(true).setKeepAlive(true);
    const settle = (): void => {
      cancel();
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError).off('close', onClose);
    };
    const fail = (reason: string): void => {
      settle();
      socket.on('error', () => undefined).destroy();
      resolve(reason);
    };
    const onError = (error: Error): void => fail(foreignCodes.has(codeOf(error)) ? foreignReason : messageOf(error));
    const onClose = (): void => fail('it closed the connection');
    const onAbort = (): void => fail('the dial was given up');
    const cancel = clock.after(limitMs, () => fail(`no answer within ${limitMs} ms`));
    signal.addEventListener('abort', onAbort);
    socket.on('error', onError).on('close', onClose);
    socket.once('secureConnect', () => {
      const reason = check(socket);
      if (reason !== null) return fail(reason);
      readIntroduction(socket, (message) => {
        const answer = linkAnswer(message);
        if (answer === null) return fail('its answer is not that of a node');
        settle();
        resolve({ socket, answer });
      });
      socket.write(introductionBytes(introduction));
    });
  });
}

/** `127.0.0.1:8002`, `node-1:8002` or `[::1]:8002`. Null for another text. */
export function addressParts(address: string): { readonly host: string; readonly port: number } | null {
  const [, bracketed, bare, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/[\]]{1,255})):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? bare;
  const port = Number(digits);
  return host === undefined || port > 65_535 ? null : { host, port };
}
