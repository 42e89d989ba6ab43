/** `penstock status`: does a server run, and how is it? */
import type { Command } from 'commander';
import type { StatusBody } from '../../api/index.ts';
import type { Doors } from '../doors.ts';
import { fields } from '../table.ts';
import { verb } from '../verb.ts';
import { bytesText, durationText } from '../words.ts';

export function addStatus(program: Command, doors: Doors): void {
  verb(program, doors, 'status', 'tell how the server is').runs(async (session) => {
    const client = await session.client();
    const status = await client.get<StatusBody>('/status');
    const { ready, starting, failed } = status.executors;
    session.print(
      status,
      fields([
        ['server', client.url],
        ['version', `${status.version}, Node ${status.node}`],
        ['ready', status.ready ? 'yes' : 'no: not every endpoint is in service yet'],
        ['up for', durationText(status.uptime_s)],
        ['endpoints', countsText(status.endpoints)],
        ['workers', `${ready} ready, ${starting} starting, ${failed} failed`],
        ['memory', `${bytesText(status.rss_bytes)} server, ${bytesText(status.workers_rss_bytes)} workers`],
        ['cores', status.cores],
        ['gRPC', status.grpc ?? 'off'],
        ['notes', status.notes.join('\n')],
      ]),
    );
    return 0;
  });
}

export function countsText(counts: Readonly<Record<string, number>>): string {
  const shown = Object.entries(counts).filter(([, count]) => count > 0);
  return shown.length === 0 ? 'none' : shown.map(([status, count]) => `${count} ${status}`).join(', ');
}
