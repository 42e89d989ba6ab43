/** Creates or changes a rule: its pattern, and the addresses that receive matching events. */
import { Checkbox, Textarea, TextInput } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import type { RuleBody } from '../../../src/api/index.ts';
import { path, put } from '../api/client.ts';
import { FormDialog } from '../kit/form-dialog.tsx';

interface RuleFormProps {
  /** Null for a new rule. */
  readonly rule: RuleBody | null;
  readonly onClose: () => void;
  readonly onSaved: () => Promise<unknown>;
}

const usualPattern = `{
  "detail-type": ["SageMaker Endpoint State Change"],
  "detail": {"EndpointStatus": ["FAILED"]}
}`;

export function RuleForm({ rule, onClose, onSaved }: RuleFormProps): ReactElement {
  const [name, setName] = useState(rule?.name ?? '');
  const [pattern, setPattern] = useState(rule?.pattern ?? usualPattern);
  const [targets, setTargets] = useState(rule?.targets.map(({ arn }) => arn).join('\n') ?? '');
  const [description, setDescription] = useState(rule?.description ?? '');
  const [isEnabled, setIsEnabled] = useState(rule?.state !== 'disabled');
  const save = async (): Promise<void> => {
    const addresses = targets.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
    const body = { pattern, targets: addresses, description, enabled: isEnabled };
    await put<RuleBody>(path('/rules/:rule', { rule: name.trim() }), body);
    await onSaved();
  };
  return (
    <FormDialog
      title={rule === null ? 'Create a rule' : `Change rule ${rule.name}`}
      action={rule === null ? 'Create rule' : 'Save rule'}
      failure="The rule was not saved."
      isReady={name.trim() !== ''}
      onSave={save}
      onClose={onClose}
    >
      {rule === null ? (
        <TextInput data-autofocus label="Name" placeholder="failed" value={name} onChange={(event) => setName(event.currentTarget.value)} />
      ) : null}
      <Lines
        label="Pattern"
        description={`An EventBridge pattern, as JSON. Events that match it are sent.${scheduleNote(rule)}`}
        rows={[3, 12]}
        value={pattern}
        onChange={setPattern}
        isCode
      />
      <Lines
        label="Send to"
        description="URLs or ARNs of log groups, one per line."
        placeholder="https://example.org/hook"
        rows={[1, 5]}
        value={targets}
        onChange={setTargets}
      />
      <TextInput
        label="Description"
        placeholder="What it is for"
        value={description}
        onChange={(event) => setDescription(event.currentTarget.value)}
        maxLength={512}
      />
      <Checkbox label="Enabled" checked={isEnabled} onChange={(event) => setIsEnabled(event.currentTarget.checked)} />
    </FormDialog>
  );
}

/** EventBridge's API sets schedules; a change here leaves them as they are. */
function scheduleNote(rule: RuleBody | null): string {
  const schedule = rule?.schedule ?? null;
  return schedule === null ? '' : ` The rule also runs on its schedule, ${schedule}, for which the pattern can stay empty.`;
}

interface LinesProps {
  readonly label: string;
  readonly description: string;
  readonly placeholder?: string;
  /** The least and the largest number of visible lines. */
  readonly rows: readonly [number, number];
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly isCode?: boolean;
}

function Lines({ rows: [minRows, maxRows], onChange, isCode = false, ...field }: LinesProps): ReactElement {
  return (
    <Textarea
      {...field}
      autosize
      minRows={minRows}
      maxRows={maxRows}
      onChange={(event) => onChange(event.currentTarget.value)}
      spellCheck={false}
      classNames={isCode ? { input: 'mono' } : {}}
    />
  );
}
