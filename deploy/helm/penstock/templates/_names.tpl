{{- define "penstock.name" -}}
{{ .Release.Name | trunc 30 | trimSuffix "-" }}
{{- end }}

{{- define "penstock.labels" -}}
app.kubernetes.io/name: penstock
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "penstock.nodeSelector" -}}
app.kubernetes.io/name: penstock
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node
{{- end }}

{{- define "penstock.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Of every container: no capability, no file of the image can be changed. */}}
{{- define "penstock.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Of every pod. 10001 is the user of the image; the group lets it read secrets and write volumes. */}}
{{- define "penstock.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: {{ . }} }
{{- end }}

{{/* The pool that the nodes scale, as YAML; empty without one. */}}
{{- define "penstock.scaledPool" -}}
{{- $wanted := .Values.hosts.scaling.pool }}
{{- if $wanted }}
{{- if gt (int .Values.hosts.scaling.min) (int .Values.hosts.scaling.max) }}{{ fail "hosts.scaling: expected a min of at most max" }}{{ end }}
{{- $found := dict }}
{{- range .Values.hosts.pools }}{{ if eq .name $wanted }}{{ $_ := set $found "pool" . }}{{ end }}{{ end }}
{{- if not (hasKey $found "pool") }}{{ fail (printf "hosts.scaling.pool: expected the name of one of hosts.pools, got %s" $wanted) }}{{ end }}
{{- toYaml $found.pool }}
{{- end }}
{{- end }}

{{/* Not empty if the home calls the API server of Kubernetes. */}}
{{- define "penstock.callsKubernetes" -}}
{{- if or .Values.hosts.scaling.pool .Values.hosts.joinSecret.managed }}yes{{ end }}
{{- end }}
