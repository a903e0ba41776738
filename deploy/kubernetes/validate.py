"""Checks the manifests as `kubectl apply -k` would send them: fields by the API's own schemas, and that what they name is
there. Needs no cluster; validate.sh calls it with what it needs. What usher thinks of its settings and policy is not
checked here but by tests/deploy.rs."""

import copy
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

import cloudcoil.models.prometheus_operator.v1 as operator
import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).parent
# The oldest and the newest that the manifests are for.
VERSIONS = ["1.31", "1.37"]


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def rendered(with_optional):
    """What kustomize makes of the directory; with every `#- optional/…` line put in, too."""
    with tempfile.TemporaryDirectory() as directory:
        copied = pathlib.Path(directory) / "kubernetes"
        shutil.copytree(HERE, copied)
        if with_optional:
            path = copied / "kustomization.yaml"
            text, count = re.subn(r"(?m)^  #- (optional/)", r"  - \1", path.read_text())
            assert count == len(list((HERE / "optional").glob("*.yaml"))), "every optional file has its line"
            path.write_text(text)
        command = [os.environ.get("KUBECTL", "kubectl"), "kustomize", str(copied)]
        return documents(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def name_of(document):
    return f"{document.get('kind')}/{document.get('metadata', {}).get('name')}"


def schema_faults(document):
    """Unknown, missing and misshapen fields."""
    name = name_of(document)
    if document.get("apiVersion") == "monitoring.coreos.com/v1":
        # The models drop what they do not know, so what is lost is a misspelt field.
        model = getattr(operator, document["kind"]).model_validate(document)
        kept = model.model_dump(by_alias=True, exclude_none=True, mode="json")
        return [] if kept == document else [f"{name}: a field is unknown; known is {kept}"]
    faults = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as fault:
            where = ".".join(str(part) for part in getattr(fault, "path", []))
            faults.append(f"{name} (Kubernetes {version}): {where}: {getattr(fault, 'message', fault)}")
    return faults


def by_kind(all_documents, kind):
    return [document for document in all_documents if document["kind"] == kind]


def reference_faults(all_documents, examples, settings_text):
    """What is named must be there: labels, ports, volumes, files."""
    faults = []

    def must(holds, what):
        if not holds:
            faults.append(what)

    (deployment,) = by_kind(all_documents, "Deployment")
    template = deployment["spec"]["template"]
    labels, pod = template["metadata"]["labels"], template["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    def selects(selector, what):
        must(selector and selector.items() <= labels.items(), f"{what} selects no pod: {selector}")

    namespaces = [document["metadata"]["name"] for document in by_kind(all_documents, "Namespace")]
    for document in all_documents:
        if document["kind"] != "Namespace":
            must(document["metadata"].get("namespace") in namespaces, f"{name_of(document)}: not in our namespace")
    selects(deployment["spec"]["selector"]["matchLabels"], "the Deployment")
    for service in by_kind(all_documents, "Service"):
        selects(service["spec"]["selector"], "the Service")
        for port in service["spec"]["ports"]:
            must(port["targetPort"] in ports, f"the Service's {port['targetPort']} is no port of the container")
    for kind in ["PodDisruptionBudget", "PodMonitor"]:
        for document in by_kind(all_documents, kind):
            selects(document["spec"]["selector"]["matchLabels"], kind)
    for constraint in pod["topologySpreadConstraints"]:
        selects(constraint["labelSelector"]["matchLabels"], "a topologySpreadConstraint")
        must(constraint["whenUnsatisfiable"] == "ScheduleAnyway", "a constraint that keeps pods from starting")
    for policy in by_kind(all_documents, "NetworkPolicy"):
        selects(policy["spec"]["podSelector"]["matchLabels"], "the NetworkPolicy")
        for port in (port for rule in policy["spec"]["ingress"] for port in rule["ports"]):
            must(port["port"] in ports, f"the NetworkPolicy's {port['port']} is no port of the container")
    for monitor in by_kind(all_documents, "PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            must(endpoint["port"] in ports, f"the PodMonitor's {endpoint['port']} is no port of the container")
    for ingress in by_kind(all_documents, "Ingress"):
        backends = [path["backend"]["service"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
        services = {
            service["metadata"]["name"]: [port["name"] for port in service["spec"]["ports"]]
            for service in by_kind(all_documents, "Service")
        }
        for backend in backends:
            must(backend["port"]["name"] in services.get(backend["name"], []), f"no such backend: {backend}")
    for scaler in by_kind(all_documents, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]["name"]
        must(target == deployment["metadata"]["name"], f"the autoscaler's {target} is no Deployment")
    accounts = [document["metadata"]["name"] for document in by_kind(all_documents, "ServiceAccount")]
    must(pod["serviceAccountName"] in accounts, "the pod's ServiceAccount is not there")

    for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
        asked = container[probe]["httpGet"]
        wanted = {"path": "/ready" if probe == "readinessProbe" else "/live", "port": "ops"}
        must(asked == wanted and asked["port"] in ports, f"{probe} asks {asked}")
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    must(variables["USHER__OPS__LISTEN"].endswith(f":{ports['ops']}"), "the operator's listener has another port")

    # Every file that the settings name, commented out or not, is mounted.
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    must(all("subPath" not in mount for mount in container["volumeMounts"]), "a subPath is never kept up to date")
    must(set(mounts) == {volume["name"] for volume in pod["volumes"]}, "a volume without a mount, or the reverse")
    known = {document["metadata"]["name"]: document["data"] for document in by_kind(all_documents, "ConfigMap")}
    known |= {document["metadata"]["name"]: document["stringData"] for document in examples}
    files = set()
    for volume in pod["volumes"]:
        for source in volume["projected"]["sources"]:
            (source,) = source.values()
            for item in source["items"]:
                must(item["key"] in known.get(source["name"], []), f"there is no {item['key']} in {source['name']}")
                files.add(f"{mounts[volume['name']]}/{item['path']}")
    named = set(re.findall(r'"(/[^"]+)"', settings_text)) | {"/config/usher.toml"}
    must(named == files, f"files that are named and not mounted, or the reverse: {sorted(named ^ files)}")

    lifetime = tomllib.loads(settings_text)["server"]
    needed = sum(int(lifetime[key].removesuffix("s")) for key in ["shutdown_delay", "shutdown_grace"])
    must(pod["terminationGracePeriodSeconds"] > needed, f"stopping may take {needed} s")
    update = deployment["spec"]["strategy"]["rollingUpdate"]
    must(update["maxUnavailable"] == 0, "a rolling update takes a replica away before the new one answers")
    return faults


def restriction_faults(all_documents):
    """The pod security standard *restricted*, which the namespace enforces, and a little more."""
    faults = []
    for namespace in by_kind(all_documents, "Namespace"):
        if namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            faults.append("the namespace does not enforce the restricted standard")
    for account in by_kind(all_documents, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            faults.append("the ServiceAccount's token is mounted")
    (deployment,) = by_kind(all_documents, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    wanted = [
        (pod, "automountServiceAccountToken", False),
        (pod["securityContext"], "runAsNonRoot", True),
        (pod["securityContext"], "seccompProfile", {"type": "RuntimeDefault"}),
        (container["securityContext"], "allowPrivilegeEscalation", False),
        (container["securityContext"], "readOnlyRootFilesystem", True),
        (container["securityContext"], "capabilities", {"drop": ["ALL"]}),
    ]
    faults += [f"{key} is not {value}" for place, key, value in wanted if place.get(key) != value]
    faults += [f"{key} is set" for key in ["hostNetwork", "hostPID", "hostIPC"] if pod.get(key)]
    if "memory" not in container["resources"]["limits"]:
        faults.append("there is no limit of memory")
    return faults


def secret_faults(examples):
    """A real secret must not stand in the repository."""
    values = [(name_of(example), value) for example in examples for value in example["stringData"].values()]
    return [f"{name} has another value than REPLACE-ME" for name, value in values if value != "REPLACE-ME"]


def rule_faults(all_documents):
    """The operator's copy of the alerts says what Prometheus' own file says."""
    alerts = yaml.safe_load((HERE / "../prometheus/alerts.yml").read_text())
    rules = [document["spec"] for document in by_kind(all_documents, "PrometheusRule")]
    return [] if rules == [alerts] else ["optional/prometheusrule.yaml is not ../prometheus/alerts.yml: see its head"]


def misspellings(all_documents):
    """The same with one thing wrong each: what checks must find them."""
    (deployment,) = by_kind(all_documents, "Deployment")

    def wrong(change):
        changed = copy.deepcopy(deployment)
        change(changed["spec"]["template"]["spec"], changed["spec"]["template"]["spec"]["containers"][0])
        return changed

    yield wrong(lambda pod, container: container.update(readinesProbe=container.pop("readinessProbe")))
    yield wrong(lambda pod, container: container["securityContext"].update(readOnlyRootFileSystem=True))
    yield wrong(lambda pod, container: pod.update(terminationGracePeriodSeconds="40s"))
    yield wrong(lambda pod, container: pod["topologySpreadConstraints"][0].pop("maxSkew"))
    for monitor in copy.deepcopy(by_kind(all_documents, "PodMonitor")):
        monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "15s"
        yield monitor


def stop_at(faults):
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if faults:
        sys.exit(1)


def main():
    examples = documents((HERE / "secrets.example.yaml").read_text())
    settings_text = (HERE / "usher.toml").read_text()
    stop_at(secret_faults(examples) + [fault for example in examples for fault in schema_faults(example)])
    for with_optional in [False, True]:
        all_documents = rendered(with_optional)
        # The rest reads the fields, so they must be there.
        stop_at([fault for document in all_documents for fault in schema_faults(document)])
        stop_at(reference_faults(all_documents, examples, settings_text) + restriction_faults(all_documents))
    stop_at(rule_faults(all_documents))
    stop_at([f"nothing was found in {wrong}" for wrong in misspellings(all_documents) if not schema_faults(wrong)])
    print(f"{len(all_documents) + len(examples)} resources are as Kubernetes {' and '.join(VERSIONS)} want them")


if __name__ == "__main__":
    main()
