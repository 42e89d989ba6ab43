/** Audit action of each mutating route: a rejected call is recorded under the same action as a successful one. */
import type { Action, actions } from '../../access/index.ts';
import type { AuditAction } from '../../records/index.ts';
import type { RouteKey, routeActions } from './route-actions.ts';

type PermissionOf<Performed extends Action | null> = Performed extends Action ? (typeof actions)[Performed] : null;

/** Reading, invoking and signing out are not audited. */
type AuditedRouteKey = {
  [Key in RouteKey]: PermissionOf<(typeof routeActions)[Key]> extends 'read' | 'invoke' | null ? never : Key;
}[RouteKey];

/** A mutating route without an action here does not compile. */
const auditActions = {
  'POST /session': 'SignIn',
  'POST /groups': 'CreateModelGroup',
  'DELETE /groups/:group': 'DeleteModelGroup',
  'POST /groups/:group/versions': 'RegisterModelVersion',
  'PATCH /groups/:group/versions/:version': 'UpdateModelVersion',
  'DELETE /groups/:group/versions/:version': 'DeleteModelVersion',
  'POST /groups/:group/versions/:version/approval': 'SetApproval',
  'DELETE /groups/:group/versions/:version/opening': 'SetApproval',
  'PUT /groups/:group/versions/:version/sample': 'UpdateModelVersion',
  'POST /groups/:group/versions/:version/profile': 'MeasureProfile',
  'POST /groups/:group/versions/:version/profile/functions': 'MeasureFunctionProfile',
  'POST /catalogue/:name/register': 'RegisterModelVersion',
  'POST /endpoints': 'CreateEndpoint',
  'PATCH /endpoints/:endpoint': 'UpdateEndpoint',
  'DELETE /endpoints/:endpoint': 'DeleteEndpoint',
  'POST /endpoints/:endpoint/load': 'LoadEndpoint',
  'POST /endpoints/:endpoint/unload': 'UnloadEndpoint',
  'POST /endpoints/:endpoint/rollback': 'RollBackEndpoint',
  'POST /endpoints/:endpoint/continue': 'ContinueUpdate',
  'POST /endpoints/:endpoint/baseline': 'SetBaseline',
  'DELETE /endpoints/:endpoint/baseline': 'DeleteBaseline',
  'POST /endpoints/:endpoint/decisions': 'DecideBatching',
  'POST /plan': 'Plan',
  'POST /plan/deployment': 'PlanDeployment',
  'POST /plan/selection': 'PlanSelection',
  'POST /models/preview': 'PreviewModel',
  'POST /simulations': 'Simulate',
  'DELETE /simulations/:simulation': 'DeleteSimulation',
  'POST /evaluations': 'CreateEvaluation',
  'POST /evaluations/:evaluation/stop': 'StopEvaluation',
  'PUT /evaluation-sets/:set': 'CreateEvaluationSet',
  'DELETE /evaluation-sets/:set': 'DeleteEvaluationSet',
  'POST /transforms': 'CreateTransformJob',
  'POST /transforms/:transform/stop': 'StopTransformJob',
  'POST /transforms/:transform/resume': 'ResumeTransformJob',
  'PUT /alarms/:alarm': 'PutMetricAlarm',
  'DELETE /alarms/:alarm': 'DeleteAlarms',
  'PUT /rules/:rule': 'PutRule',
  'DELETE /rules/:rule': 'DeleteRule',
  'POST /environments': 'CreateEnvironment',
  'DELETE /environments/:environment': 'DeleteEnvironment',
  'POST /keys': 'CreateKey',
  'DELETE /keys/:id': 'RevokeKey',
  'GET /keys': 'ListKeys',
  'GET /audit': 'ListAudit',
  'GET /audit/verification': 'VerifyAudit',
} as const satisfies Record<AuditedRouteKey | 'POST /session', AuditAction>;

/** Null if the route only reads or invokes. */
export function auditActionOf(key: RouteKey): AuditAction | null {
  return key in auditActions ? auditActions[key as keyof typeof auditActions] : null;
}
