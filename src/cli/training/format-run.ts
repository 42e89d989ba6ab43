/** Shows pipelines and their runs. */
import type { PipelineBody, PipelineDetailBody, PipelineRunBody } from '../../api/index.ts';
import { durationText, formatMsText, timeText, utcText } from '../output/format.ts';
import type { Style } from '../output/style.ts';
import { fields, table } from '../output/table.ts';

export function pipelinesTable(items: readonly PipelineBody[], style: Style): string {
  return table(items, [
    { title: 'PIPELINE', cell: ({ name }) => name },
    { title: 'REVISION', cell: ({ revision }) => revision, align: 'right' },
    { title: 'STATE', cell: ({ enabled }) => (enabled ? 'enabled' : 'disabled') },
    { title: 'TRIGGER', cell: triggersText },
    { title: 'NEXT (UTC)', cell: ({ next_due_at: at }) => timeText(at) },
    { title: 'LAST RUN', cell: ({ last_run: run }) => (run === null ? null : `${run.number} ${style.state(run.state)}`) },
    { title: 'VERSION', cell: ({ last_run: run }) => run?.version ?? null },
  ]);
}

function triggersText({ schedule, event }: PipelineBody): string | null {
  const triggers = [schedule, event === null ? null : 'events'].filter((each) => each !== null);
  return triggers.length === 0 ? 'by hand' : triggers.join(', ');
}

export function runsTable(items: readonly PipelineRunBody[], style: Style): string {
  return table(items, [
    { title: 'RUN', cell: ({ number }) => number, align: 'right' },
    { title: 'STARTED (UTC)', cell: ({ started_at: at }) => timeText(at) },
    {
      title: 'TOOK',
      cell: ({ started_at: from, ended_at: to }) => (to === null ? null : formatMsText(Date.parse(to) - Date.parse(from))),
      align: 'right',
    },
    { title: 'BY', cell: ({ trigger }) => `${trigger.kind}${trigger.kind === 'event' ? ` ${trigger.by}` : ''}` },
    { title: 'STATE', cell: ({ state }) => style.state(state) },
    { title: 'VERSION', cell: ({ version }) => version },
    { title: 'VERDICT', cell: ({ verdict }) => verdict },
    { title: 'RESULT', cell: resultText },
  ]);
}

/** The result of the last step that ran. */
function resultText({ reason, steps }: PipelineRunBody): string | null {
  return reason ?? steps.findLast(({ state, note }) => note !== null && state !== 'Skipped')?.note ?? null;
}

export function describePipeline(pipeline: PipelineDetailBody, style: Style): string {
  const { name, revision, enabled, git, applied_by: by, applied_at: at, waiting, last_run: run } = pipeline;
  const commit = git === null ? '' : `, commit ${git.commit.slice(0, 12)}${git.dirty ? ' with changes' : ''}`;
  const facts = fields([
    ['pipeline', `${name}, revision ${revision}${commit}`],
    ['applied', `${utcText(at)} by ${by}, whose rights its runs have`],
    ['steps', pipeline.steps.join(' -> ')],
    ['state', enabled ? 'enabled' : 'disabled'],
    ['schedule', pipeline.schedule === null ? null : `${pipeline.schedule}, next ${utcText(pipeline.next_due_at)}`],
    ['events', pipeline.event === null ? null : `${pipeline.event}, at most every ${durationText(pipeline.at_most_every_s)}`],
    [
      'waiting',
      waiting === null ? null : `${waiting.kind} ${waiting.by}${waiting.count === 1 ? '' : `, ${waiting.count} triggers as one`}`,
    ],
  ]);
  return run === null ? facts : `${facts}\n${describeRun(run, style)}`;
}

export function describeRun(run: PipelineRunBody, style: Style): string {
  const { test, holdout } = run;
  const tested =
    test === null ? null : `gain ${Number(test.gain.toPrecision(3))}, p ${Number(test.p_better.toPrecision(3))}, against ${run.against}`;
  const facts = fields([
    ['run', `${run.name}, ${style.state(run.state)}, revision ${run.revision}`],
    ['started', `${utcText(run.started_at)} by ${run.trigger.kind} ${run.trigger.by}`],
    ['version', run.version],
    ['test', tested],
    ['holdout', holdout === null ? null : `${holdout.rows} rows, test ${holdout.uses} on them`],
    ['reason', run.reason],
  ]);
  const steps = table(run.steps, [
    { title: 'STEP', cell: ({ step }) => step },
    { title: 'STATE', cell: ({ state }) => style.state(state) },
    {
      title: 'TOOK',
      cell: ({ started_at: from, ended_at: to }) => (from === null || to === null ? null : formatMsText(Date.parse(to) - Date.parse(from))),
      align: 'right',
    },
    { title: 'RESULT', cell: ({ note }) => note },
  ]);
  return `${facts}\n${steps}`;
}
