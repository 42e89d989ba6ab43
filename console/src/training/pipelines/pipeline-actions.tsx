/** Actions on a pipeline: run it now, enable or disable its triggers, and stop a run. */
import { Button, Textarea } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { PipelineBody, PipelineRunBody, StartedRunBody } from '../../../../src/api/index.ts';
import { path, post } from '../../api/client.ts';
import { useHasPermission } from '../../api/session.ts';
import { Confirm } from '../../kit/confirm.tsx';
import { FormDialog } from '../../kit/form-dialog.tsx';
import { hyperparameterLines, parseHyperparameters } from '../training-text.ts';
import { isRunInProgress } from './pipeline-queries.ts';

function useReload(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ predicate: ({ queryKey: [first] }) => String(first).startsWith('pipeline') });
}

export function PipelineActions({ pipeline }: { readonly pipeline: PipelineBody }): ReactElement | null {
  const mayRun = useHasPermission('deploy');
  const reload = useReload();
  const [dialog, setDialog] = useState<'run' | 'switch' | null>(null);
  if (!mayRun) return null;
  const close = (): void => setDialog(null);
  const { name, enabled } = pipeline;
  const verb = enabled ? 'Disable' : 'Enable';
  const onSave = async (): Promise<void> => {
    await post(path(`/pipelines/:pipeline/${enabled ? 'disable' : 'enable'}`, { pipeline: name }));
    await reload();
  };
  return (
    <>
      <Button onClick={() => setDialog('switch')}>{verb}</Button>
      <Button variant="filled" onClick={() => setDialog('run')}>
        Run now
      </Button>
      {dialog === 'run' ? <RunNow pipeline={pipeline} onClose={close} /> : null}
      {dialog === 'switch' ? (
        <FormDialog
          title={`${verb} pipeline ${name}?`}
          action={`${verb} pipeline`}
          failure={`The pipeline was not ${enabled ? 'disabled' : 'enabled'}.`}
          isReady
          onSave={onSave}
          onClose={close}
        >
          <p className="mut">
            {enabled
              ? 'Its schedule and its events start no more runs. A run in progress continues, and Run now still starts one.'
              : 'Its schedule and its events start runs again.'}
          </p>
        </FormDialog>
      ) : null}
    </>
  );
}

function RunNow({ pipeline, onClose }: { readonly pipeline: PipelineBody; readonly onClose: () => void }): ReactElement {
  const reload = useReload();
  const navigate = useNavigate();
  const [text, setText] = useState(hyperparameterLines(pipeline.parameters));
  const parameters = parseHyperparameters(text);
  const start = async (): Promise<void> => {
    const { run } = await post<StartedRunBody>(path('/pipelines/:pipeline/runs', { pipeline: pipeline.name }), { parameters });
    await reload();
    if (run !== null) await navigate({ to: '/pipelines/$pipeline/$run', params: { pipeline: run.pipeline, run: String(run.number) } });
  };
  return (
    <FormDialog
      title={`Run pipeline ${pipeline.name} now`}
      action="Start run"
      failure="The run was not started."
      isReady={parameters !== null}
      onSave={start}
      onClose={onClose}
    >
      <p className="mut">
        It has the rights of {pipeline.applied_by}, the key that applied the pipeline.
        {isRunInProgress(pipeline.last_run) ? ' It starts after the run that is in progress.' : ''}
      </p>
      {Object.keys(pipeline.parameters).length === 0 ? null : (
        <Textarea
          data-autofocus
          label="Parameters"
          description="NAME=VALUE, one per line, for this run only."
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          error={parameters === null ? 'Each line needs a name before =.' : undefined}
          autosize
          minRows={2}
          maxRows={12}
          spellCheck={false}
        />
      )}
    </FormDialog>
  );
}

export function RunActions({ run }: { readonly run: PipelineRunBody }): ReactElement | null {
  const mayRun = useHasPermission('deploy');
  const reload = useReload();
  const [isAsked, setIsAsked] = useState(false);
  if (!mayRun || !isRunInProgress(run)) return null;
  return (
    <>
      <Button onClick={() => setIsAsked(true)}>Stop</Button>
      {isAsked ? (
        <Confirm
          title={`Stop run ${run.name}?`}
          consequences={['Its training job or its evaluation is stopped, too.', 'The results of earlier steps stay.']}
          action="Stop run"
          onConfirm={async () => {
            await post(path('/pipelines/:pipeline/runs/:run/stop', { pipeline: run.pipeline, run: run.number }));
            await reload();
          }}
          onClose={() => setIsAsked(false)}
        />
      ) : null}
    </>
  );
}
