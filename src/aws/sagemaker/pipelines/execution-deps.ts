/** What an execution of a pipeline uses of its surroundings. */
import type { Access } from '../../../access/index.ts';
import type { Clock } from '../../../clock.ts';
import type { Log } from '../../../logs/index.ts';
import type { Events } from '../../../records/index.ts';
import type { S3Store } from '../../s3/objects/store.ts';
import type { AwsLocation, AwsOperation } from '../../service.ts';
import type { ExecutionRows } from './execution-rows.ts';

export interface ExecutePipelineDeps {
  readonly rows: ExecutionRows;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'error'>;
  readonly events: Pick<Events, 'record' | 'publish'>;
  readonly access: Pick<Access, 'callerFor'>;
  readonly objects: Pick<S3Store, 'open'>;
  readonly awsLocation: AwsLocation;
  /** All operations of SageMaker. */
  readonly operations: () => Readonly<Record<string, AwsOperation>>;
}
