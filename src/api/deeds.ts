/** What calls that change something do, in the words of the audit: whoever is refused is told of by the same name as whoever is not. */
import type { Deed } from '../monitoring/index.ts';
import type { permissions, RouteKey } from './permissions.ts';

/** Reading and invoking are no deeds, signing out is none either. */
type DeedKey = {
  [Key in RouteKey]: (typeof permissions)[Key] extends 'read' | 'invoke' | null ? never : Key;
}[RouteKey];

/** A route that changes something, and has no name here, does not compile. */
const deeds = {
  'POST /session': 'SignIn',
  'POST /groups': 'CreateModelGroup',
  'DELETE /groups/:group': 'DeleteModelGroup',
  'POST /groups/:group/versions': 'RegisterModelVersion',
  'PATCH /groups/:group/versions/:version': 'UpdateModelVersion',
  'DELETE /groups/:group/versions/:version': 'DeleteModelVersion',
  'POST /groups/:group/versions/:version/approval': 'SetApproval',
  'POST /groups/:group/versions/:version/profile': 'MeasureProfile',
  'POST /groups/:group/versions/:version/profile/functions': 'MeasureFunctionProfile',
  'POST /catalogue/:name/register': 'RegisterModelVersion',
  'POST /endpoints': 'CreateEndpoint',
  'PATCH /endpoints/:endpoint': 'UpdateEndpoint',
  'DELETE /endpoints/:endpoint': 'DeleteEndpoint',
  'POST /endpoints/:endpoint/load': 'LoadEndpoint',
  'POST /endpoints/:endpoint/unload': 'UnloadEndpoint',
  'POST /endpoints/:endpoint/rollback': 'RollBackEndpoint',
  'POST /endpoints/:endpoint/baseline': 'SetBaseline',
  'DELETE /endpoints/:endpoint/baseline': 'DeleteBaseline',
  'POST /endpoints/:endpoint/decisions': 'DecideBatching',
  'POST /plan': 'Plan',
  'POST /plan/deployment': 'PlanDeployment',
  'POST /models/preview': 'PreviewModel',
  'POST /simulations': 'Simulate',
  'DELETE /simulations/:simulation': 'DeleteSimulation',
  'POST /transforms': 'CreateTransformJob',
  'POST /transforms/:transform/stop': 'StopTransformJob',
  'POST /transforms/:transform/resume': 'ResumeTransformJob',
  'POST /keys': 'CreateKey',
  'DELETE /keys/:id': 'RevokeKey',
  'GET /keys': 'ListKeys',
  'GET /audit': 'ListAudit',
  'GET /audit/verification': 'VerifyAudit',
} as const satisfies Record<DeedKey | 'POST /session', Deed>;

/** Null where the route only reads or invokes. */
export function deedOf(key: RouteKey): Deed | null {
  return key in deeds ? deeds[key as keyof typeof deeds] : null;
}
