/** How a worker's connection begins: it says which worker it is and proves that this server started it. */
import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Frame, FrameReader, kinds, malformed } from './frames.ts';

/** A hello is short; until it has come, nobody is believed a larger frame. */
const helloBytesMax = 4096;

export interface Hello {
  readonly workerId: string;
  readonly token: string;
}

/**
 * The first frame of a connection. Rejects, and leaves the closing to the caller, where it is no hello or the socket
 * ends before; the caller also limits the time.
 */
export function receiveHello(socket: Socket): Promise<Hello> {
  return new Promise((resolve, reject) => {
    const reader = new FrameReader((frame) => settle(() => resolve(helloOf(frame))), helloBytesMax);
    const settle = (done: () => void) => {
      socket.off('data', onData).off('error', reject).off('close', onClose);
      socket.pause();
      done();
    };
    const onData = (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        settle(() => reject(error));
      }
    };
    const onClose = () => reject(malformed('the connection closed before its hello'));
    socket.on('data', onData).on('error', reject).on('close', onClose);
  });
}

function helloOf(frame: Frame): Hello {
  const { workerId, token } = (frame.message ?? {}) as Partial<Hello>;
  if (frame.kind !== kinds.hello || typeof workerId !== 'string' || typeof token !== 'string') throw malformed('it is no hello');
  return { workerId, token };
}

/** Compares without telling by its time how much was right. */
export function isSameToken(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
