/** The start of a worker's connection: it identifies itself and proves that this server started it. */
import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Frame, FrameReader, kinds, malformedFrame } from './frames.ts';

/** Limits the first frame, because the peer is not authenticated yet. */
const helloBytesMax = 4096;

/** What a worker sends first. The token proves that this server started it. */
export interface Hello {
  readonly workerId: string;
  readonly token: string;
}

/**
 * Receives the first frame of a connection. Rejects if it is not a hello or if the socket ends before it is complete. The caller closes the
 * socket in that case, and limits the time.
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
    const onClose = () => reject(malformedFrame('the connection closed before its hello'));
    socket.on('data', onData).on('error', reject).on('close', onClose);
  });
}

function helloOf(frame: Frame): Hello {
  const { workerId, token } = (frame.message ?? {}) as Partial<Hello>;
  if (frame.kind !== kinds.hello || typeof workerId !== 'string' || typeof token !== 'string') throw malformedFrame('it is not a hello');
  return { workerId, token };
}

/** Compares in constant time. */
export function isSameToken(provided: string, expected: string): boolean {
  const [left, right] = [Buffer.from(provided), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
