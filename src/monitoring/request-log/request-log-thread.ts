/** The thread of `RequestLog`: puts lines together and writes them. */
import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { LineFile } from '../line-file.ts';
import { RequestLines } from './request-lines.ts';
import type { RequestLogAnswer, RequestLogFile, RequestLogOrder } from './request-log.ts';

const port = parentPort;
if (port === null) throw new Error('this file is a thread of RequestLog');
const { path, fileBytesMax, files } = workerData as RequestLogFile;
const tell = (answer: RequestLogAnswer): void => port.postMessage(answer);
const file = new LineFile(path, {
  clock: new SystemClock(),
  fileBytesMax,
  files,
  onTrouble: (error) => tell({ kind: 'trouble', message: messageOf(error) }),
});
const lines = new RequestLines();

port.on('message', (order: RequestLogOrder) => {
  if (order.kind === 'rows') {
    if (order.lost > 0) file.gap(order.lost);
    file.write(lines.textOf(order.rows), order.rows.length);
    tell({ kind: 'taken', lines: order.rows.length, dropped: file.dropped });
  } else void end(order);
});

async function end({ kind, id }: Exclude<RequestLogOrder, { kind: 'rows' }>): Promise<void> {
  await (kind === 'flush' ? file.flush() : file.close());
  tell({ kind: 'done', id, dropped: file.dropped });
}
