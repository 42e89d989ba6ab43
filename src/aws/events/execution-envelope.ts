/** Events of executions of pipelines in the format of SageMaker's `SageMaker Model Building Pipeline Execution Status Change`. */
import type { PlatformEvent } from '../../records/index.ts';
import { arnOf } from '../sagemaker/arn.ts';
import type { AwsLocation } from '../service.ts';
import { memberOf } from './outward.ts';
import type { EnvelopeFields } from './resource-reader.ts';

/** Null for other events. */
export function executionEnvelope({ kind, subject, detail, atMs }: PlatformEvent, awsLocation: AwsLocation): EnvelopeFields | null {
  if (kind !== 'pipeline.execution-started' && kind !== 'pipeline.execution-ended') return null;
  const pipelineArn = arnOf(awsLocation, 'pipeline', subject);
  const executionArn = `${pipelineArn}/execution/${String(memberOf(detail, 'execution'))}`;
  const createdAtMs = Number(memberOf(detail, 'createdAtMs'));
  const isOver = kind === 'pipeline.execution-ended';
  const displayName = memberOf(detail, 'displayName');
  return {
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Model Building Pipeline Execution Status Change',
    resources: [pipelineArn, executionArn],
    detail: {
      pipelineExecutionDisplayName: typeof displayName === 'string' ? displayName : `execution-${createdAtMs}`,
      ...(memberOf(detail, 'before') === null ? {} : { previousPipelineExecutionStatus: memberOf(detail, 'before') }),
      currentPipelineExecutionStatus: memberOf(detail, 'status'),
      executionStartTime: new Date(createdAtMs).toISOString(),
      ...(isOver ? { executionEndTime: new Date(atMs).toISOString() } : {}),
      pipelineArn,
      pipelineExecutionArn: executionArn,
    },
  };
}
