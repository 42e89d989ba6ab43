/** Creates or changes an alarm on one metric of an endpoint. */
import { Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { AlarmBody } from '../../../src/api/index.ts';
import { path, put } from '../api/client.ts';
import { endpointsQuery } from '../api/queries.ts';
import { FormDialog } from '../kit/form-dialog.tsx';

interface AlarmFormProps {
  /** Null for a new alarm. */
  readonly alarm: AlarmBody | null;
  readonly onClose: () => void;
  readonly onSaved: (alarm: AlarmBody) => Promise<unknown>;
}

const usualRule = 'p99 of Latency > 50 in 3 of 5 x 60s';

export function AlarmForm({ alarm, onClose, onSaved }: AlarmFormProps): ReactElement {
  const [name, setName] = useState(alarm?.name ?? '');
  const [endpoint, setEndpoint] = useState<string | null>(null);
  const [rule, setRule] = useState(alarm?.rule ?? usualRule);
  const [url, setUrl] = useState(alarm?.actions.alarm[0] ?? '');
  const [description, setDescription] = useState(alarm?.description ?? '');
  const { data } = useQuery(endpointsQuery());
  const names = data?.items.map((each) => each.name) ?? [];
  const shown = endpoint ?? names[0] ?? null;
  const variant = data?.items.find((each) => each.name === shown)?.variants[0]?.name;
  const isNew = alarm === null;
  // An alarm on an expression keeps its rule.
  const hasRule = isNew || alarm.metric !== null;
  const save = async (): Promise<void> => {
    const watched = isNew ? { rule, endpoint: shown, variant } : hasRule ? { rule } : {};
    const [, ...others] = alarm?.actions.alarm ?? [];
    const called = url.trim() === '' ? others : [url.trim(), ...others];
    const saved = await put<AlarmBody>(path('/alarms/:alarm', { alarm: name.trim() }), {
      ...watched,
      description,
      actions: { alarm: called },
    });
    await onSaved(saved);
  };
  return (
    <FormDialog
      title={isNew ? 'Create an alarm' : `Change alarm ${alarm.name}`}
      action={isNew ? 'Create alarm' : 'Save alarm'}
      failure="The alarm was not saved."
      isReady={name.trim() !== '' && (!isNew || shown !== null)}
      onSave={save}
      onClose={onClose}
    >
      {isNew ? <Field label="Name" placeholder="slow" value={name} onChange={setName} isFirst /> : null}
      {isNew ? <Select label="Endpoint" value={shown} onChange={setEndpoint} allowDeselect={false} searchable data={names} /> : null}
      {hasRule ? (
        <Field
          label="Rule"
          description="Statistic, metric and threshold, and in how many periods."
          placeholder={usualRule}
          value={rule}
          onChange={setRule}
        />
      ) : null}
      <Field label="URL to call when it fires" placeholder="none" value={url} onChange={setUrl} />
      <Field label="Description" placeholder="What it is for" value={description} onChange={setDescription} />
    </FormDialog>
  );
}

interface FieldProps {
  readonly label: string;
  readonly description?: string;
  readonly placeholder: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly isFirst?: boolean;
}

function Field({ onChange, isFirst = false, ...field }: FieldProps): ReactElement {
  return (
    <TextInput
      {...field}
      onChange={(event) => onChange(event.currentTarget.value)}
      maxLength={1024}
      spellCheck={false}
      {...(isFirst ? { 'data-autofocus': true } : {})}
    />
  );
}
