/** Uploads a model: shows a preview with the signature before the file is registered as a version. */
import { Autocomplete, Button, FileButton, NumberInput, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type DragEvent, type ReactElement, useEffect, useRef, useState } from 'react';
import type { PreviewBody } from '../../../../src/api/index.ts';
import { previewModel } from '../../api/model-queries.ts';
import { registerVersion } from '../../api/models.ts';
import { groupsQuery } from '../../api/queries.ts';
import { Card } from '../../kit/card.tsx';
import { bytes } from '../../kit/format/format.ts';
import { Icon } from '../../kit/icon.tsx';
import { LoadFailure } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { StateShape } from '../../kit/state-mark.tsx';
import { droppedFiles } from './dropped-files.ts';
import { type ChosenFile, isPythonUpload, type ModelUpload, modelUploadOf, WrongFiles } from './model-upload.ts';
import { PythonFields, problemOf } from './python-fields.tsx';
import { PythonPreview } from './python-preview.tsx';
import { SameAs } from './same-as.tsx';
import { SignatureTable } from './signature-table.tsx';
import { emptyFields, groupOf, inputsOf, newVersionOf, type UploadFields } from './upload-fields.ts';

interface UploadProps {
  /** The target group, if the page has one. */
  readonly group?: string;
  readonly onRegistered: (version: string) => void;
  readonly onCancel?: () => void;
}

export function UploadCard({ group, onRegistered, onCancel }: UploadProps): ReactElement {
  const [model, setModel] = useState<ModelUpload | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const preview = useMutation({ mutationFn: ({ name, body }: ModelUpload) => previewModel(name, body) });
  const take = async (chosen: Promise<readonly ChosenFile[]>): Promise<void> => {
    setProblem(null);
    try {
      const files = await chosen;
      if (files.length === 0) return;
      const upload = modelUploadOf(files);
      setModel(upload);
      preview.mutate(upload);
    } catch (error) {
      setProblem(error instanceof WrongFiles ? error.message : 'The files could not be read. Choose them again.');
    }
  };
  const again = (): void => {
    setModel(null);
    preview.reset();
  };
  return (
    <Card title={group === undefined ? 'Upload a model' : `Upload a version of ${group}`} padded className="section upload">
      {model === null ? (
        <DropZone onFiles={(files) => void take(files)} problem={problem} onCancel={onCancel} />
      ) : (
        <div className="stack">
          <p className="row wrap">
            <Icon name="file" />
            <b>{model.name}</b>
            <span className="mut">
              {othersText(model.others)}
              {bytes(model.bytes)}
            </span>
            <span className="end">
              <Button size="sm" onClick={again}>
                Choose another model
              </Button>
            </span>
          </p>
          {preview.isPending ? (
            <p className="mut" role="status">
              {isPythonUpload(model) ? 'Uploading it and reading its files, without running them…' : 'Loading the model in a worker…'}
            </p>
          ) : null}
          {preview.error === null ? null : <LoadFailure error={preview.error} what={`${model.name} cannot be served.`} />}
          {preview.data === undefined ? null : <Register model={model} preview={preview.data} group={group} onRegistered={onRegistered} />}
        </div>
      )}
    </Card>
  );
}

/** The names of data files, as far as they fit in a line. */
function othersText(others: readonly string[]): string {
  if (others.length === 0) return '';
  return others.length <= 2 ? `with ${others.join(' and ')}, ` : `with ${others.length} other files, `;
}

interface DropZoneProps {
  readonly onFiles: (files: Promise<readonly ChosenFile[]>) => void;
  /** What was wrong with the files chosen before. */
  readonly problem: string | null;
  readonly onCancel: (() => void) | undefined;
}

function DropZone({ onFiles, problem, onCancel }: DropZoneProps): ReactElement {
  const [isOver, setIsOver] = useState(false);
  const over = (event: DragEvent): void => {
    event.preventDefault();
    setIsOver(true);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setIsOver(false);
    onFiles(droppedFiles(event.dataTransfer.items));
  };
  return (
    // Keyboard users have the button.
    <div className={`drop ${isOver ? 'over' : ''}`} onDragOver={over} onDragLeave={() => setIsOver(false)} onDrop={drop} data-testid="drop">
      <p>
        <b>Drop an ONNX or Python model here</b>
      </p>
      <p className="mut">
        A file, several files, a folder, or a .zip or .tar.gz of them: .onnx, .joblib, .pkl, .skops, .json, .ubj, .pt, .pt2, an MLflow
        folder, or a model.py. You can review what was recognized before you register it.
      </p>
      {problem === null ? null : (
        <Note title="No model was chosen." tone="bad">
          {problem}
        </Note>
      )}
      <div className="row wrap">
        <FileButton multiple onChange={(files) => onFiles(Promise.resolve(files.map((file) => ({ path: file.name, file }))))}>
          {(props) => (
            <Button variant="filled" leftSection={<Icon name="upload" />} {...props}>
              Choose files
            </Button>
          )}
        </FileButton>
        {onCancel === undefined ? null : <Button onClick={onCancel}>Cancel</Button>}
      </div>
      <p className="sm dim">
        or <code>penstock register model.onnx --group NAME</code>
      </p>
    </div>
  );
}

function Preview({ preview }: Pick<RegisterProps, 'preview'>): ReactElement {
  if (preview.python !== null) return <PythonPreview preview={preview} python={preview.python} />;
  return (
    <>
      <SignatureTable signature={preview.signature} />
      <Facts preview={preview} />
    </>
  );
}

interface RegisterProps {
  readonly model: ModelUpload;
  readonly preview: PreviewBody;
  readonly group: string | undefined;
  readonly onRegistered: (version: string) => void;
}

function Register({ model, preview, group: fixedGroup, onRegistered }: RegisterProps): ReactElement {
  const client = useQueryClient();
  const [group, setGroup] = useState(fixedGroup ?? groupOf(model.name));
  const [fields, setFields] = useState<UploadFields>(emptyFields);
  const heading = useRef<HTMLDivElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const register = useMutation({
    mutationFn: () => registerVersion(group, model, newVersionOf(fields)),
    onSuccess: async (version) => {
      await client.invalidateQueries();
      onRegistered(version.name);
    },
  });
  const isReady = group.trim() !== '' && isSendable(fields);
  return (
    <div className="grid preview" ref={heading} tabIndex={-1}>
      <div className="c7">
        <Preview preview={preview} />
      </div>
      <form
        className="c5 stack"
        onSubmit={(event) => {
          event.preventDefault();
          register.mutate();
        }}
      >
        {fixedGroup === undefined ? <GroupField group={group} onChange={setGroup} /> : null}
        {preview.python === null ? null : (
          <PythonFields
            python={preview.python}
            environment={fields.environment}
            onEnvironment={(environment) => setFields({ ...fields, environment })}
            inputs={fields.inputs}
            onInputs={(inputs) => setFields({ ...fields, inputs })}
            sample={fields.sample}
            onSample={(sample) => setFields({ ...fields, sample })}
          />
        )}
        <Description fields={fields} onChange={setFields} />
        {register.error === null ? null : <LoadFailure error={register.error} what="The version was not registered." />}
        <Button type="submit" variant="filled" loading={register.isPending} disabled={!isReady}>
          Register {group.trim() === '' ? 'version' : `in ${group}`}
        </Button>
      </form>
    </div>
  );
}

function isSendable({ sample, inputs }: UploadFields): boolean {
  return (sample === null || problemOf(sample) === null) && (inputs.trim() === '' || inputsOf(inputs) !== null);
}

function GroupField({ group, onChange }: { readonly group: string; readonly onChange: (group: string) => void }): ReactElement {
  const { data: groups } = useQuery(groupsQuery());
  return (
    <Autocomplete
      label="Group"
      description="A group holds the versions of a model. A new name creates a group."
      data={groups?.items.map(({ name }) => name) ?? []}
      value={group}
      onChange={onChange}
    />
  );
}

interface DescriptionProps {
  readonly fields: UploadFields;
  readonly onChange: (fields: UploadFields) => void;
}

function Description({ fields, onChange }: DescriptionProps): ReactElement {
  return (
    <>
      <TextInput
        label="Description"
        placeholder="What is new"
        value={fields.description}
        onChange={(event) => onChange({ ...fields, description: event.currentTarget.value })}
      />
      <NumberInput
        label="Accuracy"
        description="0 to 1, if measured"
        min={0}
        max={1}
        step={0.001}
        decimalScale={4}
        hideControls
        value={fields.accuracy ?? ''}
        onChange={(value) => onChange({ ...fields, accuracy: typeof value === 'number' ? value : null })}
      />
    </>
  );
}

function Facts({ preview }: { readonly preview: PreviewBody }): ReactElement {
  const { opsets, producer, batchable, batchable_reason: reason, notes, same_as: same } = preview;
  const opset = Object.values(opsets).join(', ');
  return (
    <ul className="checks">
      <li>
        <StateShape kind="ok" />
        <span>
          Loads in a worker{opset === '' ? '' : `, opset ${opset}`}
          {producer === '' ? '' : `, produced by ${producer}`}
        </span>
      </li>
      <li>
        <StateShape kind={batchable ? 'ok' : 'zero'} />
        <span>
          {batchable ? 'Can be batched' : 'Cannot be batched'}: {reason}
        </span>
      </li>
      {notes.map((note) => (
        <li key={note}>
          <StateShape kind="warn" />
          <span>{note}</span>
        </li>
      ))}
      <SameAs versions={same} />
    </ul>
  );
}
