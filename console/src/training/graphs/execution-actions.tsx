/** Stops an execution of a pipeline that an AWS client defined. */
import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { PipelineExecutionBody } from '../../../../src/api/index.ts';
import { path, post } from '../../api/client.ts';
import { useHasPermission } from '../../api/session.ts';
import { Confirm } from '../../kit/confirm.tsx';

/** Nothing for those who may not, and for an execution that is over or being stopped. */
export function StopExecution({
  execution: { pipeline, id, display_name: shown, status },
}: {
  readonly execution: PipelineExecutionBody;
}): ReactElement | null {
  const mayRun = useHasPermission('deploy');
  const client = useQueryClient();
  const [isOpen, setIsOpen] = useState(false);
  if (!mayRun || status !== 'Executing') return null;
  return (
    <>
      <Button onClick={() => setIsOpen(true)}>Stop</Button>
      {isOpen ? (
        <Confirm
          title={`Stop execution ${shown ?? id}?`}
          consequences={['The jobs of its running steps are stopped, too, and no other step begins.', 'The results of earlier steps stay.']}
          action="Stop execution"
          onConfirm={async () => {
            await post(path('/sagemaker-pipelines/:pipeline/executions/:execution/stop', { pipeline, execution: id }));
            await client.invalidateQueries({ predicate: ({ queryKey: [first] }) => String(first).startsWith('sagemaker-') });
          }}
          onClose={() => setIsOpen(false)}
        />
      ) : null}
    </>
  );
}
