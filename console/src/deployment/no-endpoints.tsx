/** An empty platform: the two ways to begin. */
import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import { useMay } from '../api/session.ts';
import { Empty } from '../kit/empty.tsx';
import { Icon } from '../kit/icon.tsx';

export function NoEndpoints(): ReactElement {
  const mayRegister = useMay('register');
  const mayDeploy = useMay('deploy');
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
    <Empty title="Deploy your first model" actions={actions} command="penstock deploy model.onnx --objective 'p95<=50ms' --approve">
      Bring an ONNX file, or start from one that is ready. You see the plan and its price before anything runs.
    </Empty>
  );
}
