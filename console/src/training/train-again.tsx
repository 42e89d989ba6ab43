/** A form filled with the settings of a job, which starts another one with the same code and data. */
import { Textarea, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { TrainingJobBody } from '../../../src/api/index.ts';
import { post } from '../api/client.ts';
import { FormDialog } from '../kit/form-dialog.tsx';
import { hyperparameterLines, parseHyperparameters } from './training-text.ts';

export interface TrainAgainProps {
  readonly job: TrainingJobBody;
  readonly onClose: () => void;
}

export function TrainAgain({ job, onClose }: TrainAgainProps): ReactElement {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState('');
  const [text, setText] = useState(hyperparameterLines(job.hyperparameters));
  const [group, setGroup] = useState(job.group ?? '');
  const [type, setType] = useState(job.instance_type);
  const hyperparameters = parseHyperparameters(text);
  const start = async (): Promise<void> => {
    const started = await post<TrainingJobBody>('/training-jobs', {
      from: job.name,
      ...(name.trim() === '' ? {} : { name: name.trim() }),
      group: group.trim() === '' ? null : group.trim(),
      instance_type: type.trim(),
      hyperparameters,
    });
    await client.invalidateQueries({ queryKey: ['training-jobs'] });
    await navigate({ to: '/training/$job', params: { job: started.name } });
  };
  return (
    <FormDialog
      title={`Train again with the code and data of ${job.name}`}
      action="Start training job"
      failure="The training job was not started."
      isReady={hyperparameters !== null && type.trim() !== ''}
      onSave={start}
      onClose={onClose}
    >
      <Textarea
        data-autofocus
        label="Hyperparameters"
        description="NAME=VALUE, one per line."
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        error={hyperparameters === null ? 'Each line needs a name before =.' : undefined}
        autosize
        minRows={3}
        maxRows={12}
        spellCheck={false}
      />
      <TextInput
        label="Model group"
        description="The model becomes its next version. Empty: it is not registered."
        value={group}
        onChange={(event) => setGroup(event.currentTarget.value)}
        maxLength={63}
        autoComplete="off"
      />
      <TextInput label="Instance type" value={type} onChange={(event) => setType(event.currentTarget.value)} autoComplete="off" />
      <TextInput
        label="Name"
        placeholder="counted"
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        maxLength={63}
        autoComplete="off"
      />
    </FormDialog>
  );
}
