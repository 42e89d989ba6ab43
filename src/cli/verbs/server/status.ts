/** `penstock status`: the state of the server. */
import type { Command } from 'commander';
import type { StatusBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { bytesText, durationText } from '../../output/format.ts';
import { isolationText } from '../../output/isolation-text.ts';
import { fields } from '../../output/table.ts';
import { verb } from '../../verb.ts';

export function addStatus(program: Command, context: CliContext): void {
  verb(program, context, 'status', 'show the state of the server').runs(async (session) => {
    const client = await session.client();
    const status = await client.get<StatusBody>('/status');
    const { ready, starting, failed } = status.executors;
    session.print(
      status,
      fields([
        ['server', client.url],
        ['version', `${status.version}, Node ${status.node}`],
        ['ready', status.ready ? 'yes' : 'no: not every endpoint is in service yet'],
        ['uptime', durationText(status.uptime_s)],
        ['endpoints', countsText(status.endpoints)],
        ['workers', `${ready} ready, ${starting} starting, ${failed} failed`],
        ['memory', `${bytesText(status.rss_bytes)} server, ${bytesText(status.workers_rss_bytes)} workers`],
        ['cores', status.cores],
        ['data', status.data_directory],
        ['isolation', status.isolation === null ? '' : isolationText(status.isolation)],
        ['fork servers', status.fork_servers.map(forkServerText).join('\n')],
        ['gRPC', status.grpc ?? 'off'],
        ['notes', status.notes.join('\n')],
      ]),
    );
    return 0;
  });
}

/** `/opt/sk/bin/python, 1 thread: 128 MiB, 3 workers` */
function forkServerText({
  interpreter,
  threads,
  state,
  rss_bytes: rssBytes,
  worker_count: workers,
  note,
}: StatusBody['fork_servers'][number]): string {
  const held = rssBytes === null ? state : `${bytesText(rssBytes)}, ${workers} ${workers === 1 ? 'worker' : 'workers'}`;
  return `${interpreter}, ${threads} ${threads === 1 ? 'thread' : 'threads'}: ${held}${note === null ? '' : ` (${note})`}`;
}

export function countsText(counts: Readonly<Record<string, number>>): string {
  const shown = Object.entries(counts).filter(([, count]) => count > 0);
  return shown.length === 0 ? 'none' : shown.map(([status, count]) => `${count} ${status}`).join(', ');
}
