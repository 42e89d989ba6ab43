/** A model file is dropped or chosen, looked at, and becomes a version once its signature has been seen. */
import { Autocomplete, Button, FileButton, NumberInput, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type DragEvent, type ReactElement, useEffect, useRef, useState } from 'react';
import type { PreviewBody, RegisteredBody } from '../../../src/api/index.ts';
import { path, post } from '../api/client.ts';
import { previewModel } from '../api/model-queries.ts';
import { groupsQuery } from '../api/queries.ts';
import { Card } from '../kit/card.tsx';
import { bytes } from '../kit/format.ts';
import { Icon } from '../kit/icon.tsx';
import { Failure } from '../kit/loaded.tsx';
import { Note } from '../kit/note.tsx';
import { StateShape } from '../kit/state-mark.tsx';
import { SignatureTable } from './signature-table.tsx';
import { groupOf, metricsOf } from './upload-words.ts';

interface UploadProps {
  /** Where it goes, where that is known. */
  readonly group?: string;
  readonly onRegistered: (version: string) => void;
  readonly onCancel?: () => void;
}

export function Upload({ group, onRegistered, onCancel }: UploadProps): ReactElement {
  const [file, setFile] = useState<File | null>(null);
  const preview = useMutation({ mutationFn: (chosen: File) => previewModel(chosen) });
  const take = (chosen: File | null): void => {
    if (chosen === null) return;
    setFile(chosen);
    preview.mutate(chosen);
  };
  const again = (): void => {
    setFile(null);
    preview.reset();
  };
  return (
    <Card title={group === undefined ? 'Upload a model' : `Upload a version of ${group}`} padded className="section upload">
      {file === null ? (
        <DropZone onFile={take} onCancel={onCancel} />
      ) : (
        <div className="stack">
          <p className="row wrap">
            <Icon name="file" />
            <b>{file.name}</b> <span className="mut">{bytes(file.size)}</span>
            <span className="end">
              <Button size="sm" onClick={again}>
                Other file
              </Button>
            </span>
          </p>
          {preview.isPending ? (
            <p className="mut" role="status">
              A worker opens it…
            </p>
          ) : null}
          {preview.error === null ? null : <Failure error={preview.error} what={`${file.name} cannot be served.`} />}
          {preview.data === undefined ? null : <Register file={file} preview={preview.data} group={group} onRegistered={onRegistered} />}
        </div>
      )}
    </Card>
  );
}

function DropZone({
  onFile,
  onCancel,
}: {
  readonly onFile: (file: File | null) => void;
  readonly onCancel: (() => void) | undefined;
}): ReactElement {
  const [isOver, setIsOver] = useState(false);
  const over = (event: DragEvent): void => {
    event.preventDefault();
    setIsOver(true);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setIsOver(false);
    onFile(event.dataTransfer.files[0] ?? null);
  };
  return (
    // Whoever uses keys has the button.
    <div className={`drop ${isOver ? 'over' : ''}`} onDragOver={over} onDragLeave={() => setIsOver(false)} onDrop={drop} data-testid="drop">
      <p>
        <b>Drop an ONNX file here</b>
      </p>
      <p className="mut">You see what it takes and gives before it becomes a version.</p>
      <div className="row wrap">
        <FileButton onChange={onFile} accept=".onnx">
          {(props) => (
            <Button variant="filled" leftSection={<Icon name="upload" />} {...props}>
              Choose file
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

interface RegisterProps {
  readonly file: File;
  readonly preview: PreviewBody;
  readonly group: string | undefined;
  readonly onRegistered: (version: string) => void;
}

function Register({ file, preview, group: given, onRegistered }: RegisterProps): ReactElement {
  const client = useQueryClient();
  const { data: groups } = useQuery(groupsQuery());
  const [group, setGroup] = useState(given ?? groupOf(file.name));
  const [description, setDescription] = useState('');
  const [accuracy, setAccuracy] = useState<number | null>(null);
  const heading = useRef<HTMLDivElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const register = useMutation({
    mutationFn: () =>
      post<RegisteredBody>(path('/groups/:group/versions', { group }), file, {
        contentType: 'application/octet-stream',
        query: { name: file.name, description: description.trim() || undefined, metrics: metricsOf(accuracy) },
      }),
    onSuccess: async ({ version }) => {
      await client.invalidateQueries();
      onRegistered(version.name);
    },
  });
  return (
    <div className="grid preview" ref={heading} tabIndex={-1}>
      <div className="c7">
        <SignatureTable signature={preview.signature} />
        <Facts preview={preview} />
      </div>
      <form
        className="c5 stack"
        onSubmit={(event) => {
          event.preventDefault();
          register.mutate();
        }}
      >
        {given === undefined ? (
          <Autocomplete
            label="Group"
            description="Versions of one family; a new name makes a new group"
            data={groups?.items.map(({ name }) => name) ?? []}
            value={group}
            onChange={setGroup}
          />
        ) : null}
        <TextInput
          label="Description"
          placeholder="What is new in it"
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        <NumberInput
          label="Accuracy"
          description="0 to 1, where it was measured"
          min={0}
          max={1}
          step={0.001}
          decimalScale={4}
          hideControls
          value={accuracy ?? ''}
          onChange={(value) => setAccuracy(typeof value === 'number' ? value : null)}
        />
        {register.error === null ? null : <Failure error={register.error} what="It was not registered." />}
        <Button type="submit" variant="filled" loading={register.isPending} disabled={group.trim() === ''}>
          Register {group.trim() === '' ? 'version' : `in ${group}`}
        </Button>
      </form>
    </div>
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
          Opens in a worker{opset === '' ? '' : `, opset ${opset}`}
          {producer === '' ? '' : `, made by ${producer}`}
        </span>
      </li>
      <li>
        <StateShape kind={batchable ? 'ok' : 'zero'} />
        <span>
          {batchable ? 'May be batched' : 'May not be batched'}: {reason}
        </span>
      </li>
      {notes.map((note) => (
        <li key={note}>
          <StateShape kind="warn" />
          <span>{note}</span>
        </li>
      ))}
      {same.length === 0 ? null : (
        <li>
          <Note title="These bytes are known." tone="warn">
            {same.join(', ')} {same.length === 1 ? 'has' : 'have'} the same. Registered again, they get one more number.
          </Note>
        </li>
      )}
    </ul>
  );
}
