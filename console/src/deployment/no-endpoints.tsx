/** Shown on an empty platform: the two ways to start. */
import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import { useHasPermission } from '../api/session.ts';
import { Icon } from '../kit/icon.tsx';
import { Empty } from '../kit/page/empty.tsx';

export function NoEndpoints(): ReactElement {
  const mayRegister = useHasPermission('register');
  const mayDeploy = useHasPermission('deploy');
  const actions = (
    <>
      {mayRegister ? (
        <Button variant="filled" leftSection={<Icon name="upload" />} renderRoot={(props: object) => <Link to="/models" {...props} />}>
          Upload a model
        </Button>
      ) : null}
      {mayDeploy ? (
        <Button renderRoot={(props: object) => <Link to="/deploy" search={{ catalogue: 'digits-mlp' }} {...props} />}>
          Start with digits
        </Button>
      ) : null}
    </>
  );
  return (
    <Empty title="Deploy your first model" actions={actions} command="penstock deploy model.onnx digits --approve --objective 'p95<=50ms'">
      Upload an ONNX file, or start with a model from the catalogue. You see the plan and its price before anything runs.
    </Empty>
  );
}
