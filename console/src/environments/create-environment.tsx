/** The form for a new environment: a recipe, or packages. */
import { Textarea, TextInput } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import type { EnvironmentDetailBody } from '../../../src/api/index.ts';
import { post } from '../api/client.ts';
import { FormDialog } from '../kit/form-dialog.tsx';

/** Names that need no packages. */
const recipes: readonly string[] = ['sklearn', 'pytorch', 'xgboost', 'python'];

export interface CreateProps {
  readonly onClose: () => void;
  readonly onCreated: (name: string) => Promise<void>;
}

export function CreateEnvironment({ onClose, onCreated }: CreateProps): ReactElement {
  const [name, setName] = useState('');
  const [requirements, setRequirements] = useState('');
  const [python, setPython] = useState('');
  const isRecipe = recipes.includes(name.trim().toLowerCase());
  const hasPackages = requirements.trim() !== '';
  const save = async (): Promise<void> => {
    const body = {
      name: name.trim(),
      ...(hasPackages ? { requirements } : {}),
      ...(python.trim() === '' ? {} : { python: python.trim() }),
    };
    const created = await post<EnvironmentDetailBody>('/environments', body);
    await onCreated(created.name ?? body.name);
  };
  return (
    <FormDialog
      title="Create an environment"
      action="Create environment"
      failure="The environment was not created."
      isReady={name.trim() !== '' && (isRecipe || hasPackages)}
      onSave={save}
      onClose={onClose}
    >
      <TextInput
        data-autofocus
        label="Name"
        description={`${recipes.join(', ')} need no packages.`}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        maxLength={63}
        autoComplete="off"
      />
      <Textarea
        label="Packages"
        description="One a line, as in a requirements file: names with versions."
        placeholder={isRecipe ? 'as the recipe says' : 'scikit-learn==1.5.2'}
        value={requirements}
        onChange={(event) => setRequirements(event.currentTarget.value)}
        autosize
        minRows={5}
        maxRows={14}
      />
      <TextInput
        label="Python"
        description="An interpreter of config.json. Empty: the default one."
        placeholder="default"
        value={python}
        onChange={(event) => setPython(event.currentTarget.value)}
        autoComplete="off"
      />
    </FormDialog>
  );
}
