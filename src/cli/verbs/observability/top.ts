/** `penstock top`: the current activity of each endpoint, refreshed on a terminal, else printed once. */
import { type Command, Option } from 'commander';
import type { EndpointBody, StatusBody } from '../../../api/index.ts';
import { parseDurationMs } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { pause } from '../../client/pause.ts';
import { type TopSample, topRows, topText } from '../../output/top-table.ts';
import { type CommonOptions, parsedBy, type VerbSession, verb } from '../../verb.ts';

interface TopOptions extends CommonOptions {
  readonly once: boolean;
  /** Milliseconds. */
  readonly interval: number;
}

/** Moving home and clearing each line after its text flickers less than clearing the screen first. */
const home = '\u001b[H';
const clearBelow = '\u001b[J';
const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';

export function addTop(program: Command, context: CliContext): void {
  verb(program, context, 'top', 'show the activity of each endpoint, live')
    .with((command) =>
      command
        .option('--once', 'print once and exit', false)
        .addOption(new Option('--interval <duration>', 'refresh interval').argParser(parsedBy(parseDurationMs)).default(1000, '1s')),
    )
    .runs(async (session, options: TopOptions) => {
      const { stdout } = session.context;
      const live = !options.once && !session.wantsJson && stdout.isTTY === true;
      let before = await sample(session);
      if (live) stdout.write(enter);
      try {
        while (!session.context.interrupted.aborted) {
          await pause(session.context.clock, live ? options.interval : Math.min(options.interval, 1000), session.context.interrupted);
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
        if (!session.context.interrupted.aborted) throw error;
      } finally {
        if (live) stdout.write(leave);
      }
      return 0;
    });
}

async function sample(session: VerbSession): Promise<TopSample> {
  const client = await session.client();
  const [status, endpoints] = await Promise.all([client.get<StatusBody>('/status'), client.all<EndpointBody>('/endpoints')]);
  return { atMs: session.context.clock.nowMs(), status, endpoints };
}
