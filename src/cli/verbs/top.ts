/** `penstock top`: what each endpoint does right now, drawn again and again; once where nobody watches. */
import { type Command, Option } from 'commander';
import type { EndpointBody, StatusBody } from '../../api/index.ts';
import { parseDurationMs } from '../../objective.ts';
import type { Doors } from '../doors.ts';
import { pause } from '../pause.ts';
import { type Sample, topRows, topText } from '../top-table.ts';
import { type CommonOptions, parsedBy, type Session, verb } from '../verb.ts';

interface TopOptions extends CommonOptions {
  readonly once: boolean;
  /** Milliseconds. */
  readonly interval: number;
}

/** Home, and each line cleared behind its text, flickers less than clearing the screen first. */
const home = '\u001b[H';
const clearBelow = '\u001b[J';
const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';

export function addTop(program: Command, doors: Doors): void {
  verb(program, doors, 'top', 'show what each endpoint does, live')
    .with((command) =>
      command
        .option('--once', 'print once and end', false)
        .addOption(new Option('--interval <duration>', 'how often').argParser(parsedBy(parseDurationMs)).default(1000, '1s')),
    )
    .runs(async (session, options: TopOptions) => {
      const { stdout } = session.doors;
      const live = !options.once && !session.wantsJson && stdout.isTTY === true;
      let before = await sample(session);
      if (live) stdout.write(enter);
      try {
        while (!session.doors.interrupted.aborted) {
          await pause(session.doors.clock, live ? options.interval : Math.min(options.interval, 1000), session.doors.interrupted);
          const now = await sample(session);
          const text = topText(before, now, session.style);
          if (!live) {
            session.print(topRows(before, now), text);
            return 0;
          }
          stdout.write(`${home}${text.replaceAll('\n', '\u001b[K\n')}${clearBelow}`);
          before = now;
        }
      } catch (error) {
        if (!session.doors.interrupted.aborted) throw error;
      } finally {
        if (live) stdout.write(leave);
      }
      return 0;
    });
}

async function sample(session: Session): Promise<Sample> {
  const client = await session.client();
  const [status, endpoints] = await Promise.all([client.get<StatusBody>('/status'), client.all<EndpointBody>('/endpoints')]);
  return { atMs: session.doors.clock.nowMs(), status, endpoints };
}
