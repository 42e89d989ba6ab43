"""Groups, packages, Models and tags called by boto3. `given["model"]` is an ONNX file of ten features."""

import datetime
import io
import tarfile

from checks import check, client, given, holds, rejected, same, trail_events

sagemaker = client("sagemaker")
s3 = client("s3")
with open(given["model"], "rb") as file:
    onnx = file.read()

PREFIX = "arn:aws:sagemaker:us-east-1:000000000000:"
PACKAGE = PREFIX + "model-package/digits/"


def put(key, body):
    s3.put_object(Bucket="models", Key=key, Body=body)
    return f"s3://models/{key}"


def archive(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def specification(url):
    return {
        "Containers": [{"Image": "penstock/onnx:1", "ModelDataUrl": url, "Framework": "SKLEARN", "Environment": {"A": "ü"}}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }


def register(url=None, group="digits", **more):
    model_url = url or put("model.tar.gz", archive({"m/model.onnx": onnx, "code/inference.py": b"pass"}))
    answer = sagemaker.create_model_package(ModelPackageGroupName=group, InferenceSpecification=specification(model_url), **more)
    return answer["ModelPackageArn"]


@check("a group is created once, and described with its Unicode text")
def _():
    s3.create_bucket(Bucket="models")
    created = sagemaker.create_model_package_group(
        ModelPackageGroupName="Digits", ModelPackageGroupDescription="Ziffern 数字 🌊", Tags=[{"Key": "team", "Value": "a b"}]
    )
    same(created["ModelPackageGroupArn"], PREFIX + "model-package-group/digits")
    shown = sagemaker.describe_model_package_group(ModelPackageGroupName=created["ModelPackageGroupArn"])
    same(shown["ModelPackageGroupDescription"], "Ziffern 数字 🌊")
    same((shown["ModelPackageGroupName"], shown["ModelPackageGroupStatus"]), ("Digits", "Completed"))
    same(shown["CreationTime"].tzinfo is not None, True)
    duplicate = rejected(sagemaker.create_model_package_group, ModelPackageGroupName="digits")
    same((duplicate.status, duplicate.code), (400, "ValidationException"))
    same(duplicate.message, f"Model Package Group already exists: {PREFIX}model-package-group/digits")


@check("a missing group is rejected with the message that clients search for")
def _():
    rejection = rejected(sagemaker.describe_model_package_group, ModelPackageGroupName="missing")
    same(rejection.code, "ValidationException")
    holds("does not exist", rejection.message)


@check("a package is registered from a .tar.gz in S3 and described with its digest")
def _():
    arn = register(ModelPackageDescription="erste", CustomerMetadataProperties={"team": "a"})
    same(arn, PACKAGE + "1")
    shown = sagemaker.describe_model_package(ModelPackageName=arn)
    same((shown["ModelPackageGroupName"], shown["ModelPackageVersion"]), ("Digits", 1))
    same((shown["ModelPackageStatus"], shown["ModelApprovalStatus"]), ("Completed", "PendingManualApproval"))
    same((shown["ModelPackageDescription"], shown["CustomerMetadataProperties"]), ("erste", {"team": "a"}))
    [container] = shown["InferenceSpecification"]["Containers"]
    same((container["Image"], container["Environment"]), ("penstock/onnx:1", {"A": "ü"}))
    holds("sha256:", container["ImageDigest"])
    same(sagemaker.describe_model_package(ModelPackageName="digits/1")["ModelPackageArn"], arn)


@check("a file that is not a model creates a Failed package with a reason")
def _():
    arn = register(put("bad.onnx", b"this is not a model despite its name"))
    same(arn, PACKAGE + "2")
    shown = sagemaker.describe_model_package(ModelPackageName=arn)
    same(shown["ModelPackageStatus"], "Failed")
    [status] = shown["ModelPackageStatusDetails"]["ValidationStatuses"]
    same(status["Status"], "Failed")
    holds("not a model", status["FailureReason"])


@check("unusable model data is rejected with a reason and uses up no number")
def _():
    for url, reason in [
        ("s3://models/none.onnx", "Could not find model data at s3://models/none.onnx."),
        (put("two.tar.gz", archive({"a.onnx": onnx, "b.onnx": onnx})), "exactly one .onnx file, got 2: a.onnx, b.onnx"),
        (put("none.tar.gz", archive({"a.txt": b"x"})), "exactly one .onnx file at any depth, or a Python model, got neither"),
        (put("evil.tar.gz", archive({"../m.onnx": onnx})), "points outside of the archive"),
        (put("cut.tar.gz", archive({"m.onnx": onnx})[:-20]), "truncated"),
    ]:
        rejection = rejected(
            sagemaker.create_model_package, ModelPackageGroupName="digits", InferenceSpecification=specification(url)
        )
        same(rejection.code, "ValidationException")
        holds(reason, rejection.message)
    unknown = {"Containers": [{"Image": "unknown/image:1", "ModelDataUrl": "s3://models/model.tar.gz"}]}
    rejection = rejected(sagemaker.create_model_package, ModelPackageGroupName="digits", InferenceSpecification=unknown)
    holds("images table", rejection.message)
    both = rejected(sagemaker.create_model_package, ModelPackageGroupName="digits", ModelPackageName="x")
    same(both.message.startswith("Both ModelPackageName and ModelPackageGroupName are provided in the input."), True)
    same(register(), PACKAGE + "3")


@check("a call repeated with the same token creates one package")
def _():
    first = register(ClientToken="once")
    same(register(ClientToken="once"), first)


@check("approval, its description, metadata and its author are returned")
def _():
    arn = PACKAGE + "1"
    before = datetime.datetime.now(datetime.timezone.utc)
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="geprüft",
        CustomerMetadataProperties={"stage": "prod"},
        CustomerMetadataPropertiesToRemove=["team"],
    )
    shown = sagemaker.describe_model_package(ModelPackageName=arn)
    same((shown["ModelApprovalStatus"], shown["ApprovalDescription"]), ("Approved", "geprüft"))
    same(shown["CustomerMetadataProperties"], {"stage": "prod"})
    same(shown["LastModifiedTime"] >= before - datetime.timedelta(seconds=1), True)
    holds("arn:aws:iam::000000000000:user/", shown["LastModifiedBy"]["IamIdentity"]["Arn"])
    for status in ["PendingManualApproval", "Approved"]:
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status)
        same(sagemaker.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"], status)


@check("packages are listed page by page, filtered by approval and group")
def _():
    pages = sagemaker.get_paginator("list_model_packages")
    listed = [
        package["ModelPackageVersion"]
        for page in pages.paginate(ModelPackageGroupName="digits", PaginationConfig={"PageSize": 2})
        for package in page["ModelPackageSummaryList"]
    ]
    same(listed, [1, 2, 3, 4])
    approved = sagemaker.list_model_packages(ModelPackageGroupName="digits", ModelApprovalStatus="Approved")
    same([package["ModelPackageArn"] for package in approved["ModelPackageSummaryList"]], [PACKAGE + "1"])
    rejection = rejected(sagemaker.list_model_packages, ModelPackageGroupName="digits", NextToken="created up")
    same(rejection.code, "ValidationException")
    holds("NextToken", rejection.message)


@check("several packages are described at once, with an error for a missing one")
def _():
    answer = sagemaker.batch_describe_model_package(ModelPackageArnList=[PACKAGE + "1", PACKAGE + "9"])
    same(list(answer["ModelPackageSummaries"]), [PACKAGE + "1"])
    same(answer["BatchDescribeModelPackageErrorMap"][PACKAGE + "9"]["ErrorCode"], "ValidationException")


@check("a Model can refer to an Approved package only")
def _():
    pending = rejected(sagemaker.create_model, ModelName="early", PrimaryContainer={"ModelPackageName": PACKAGE + "3"})
    holds("is PendingManualApproval: expected Approved", pending.message)
    created = sagemaker.create_model(ModelName="Packed", PrimaryContainer={"ModelPackageName": PACKAGE + "1"})
    same(created["ModelArn"], PREFIX + "model/packed")
    same(sagemaker.describe_model(ModelName="packed")["PrimaryContainer"]["ModelPackageName"], PACKAGE + "1")


@check("a Model is created once from a container, and described as it was sent")
def _():
    container = {"Image": "penstock/onnx", "ModelDataUrl": put("bare.onnx", onnx), "Environment": {"A": "b"}}
    role = "arn:aws:iam::000000000000:role/any"
    sagemaker.create_model(ModelName="bare", PrimaryContainer=container, ExecutionRoleArn=role)
    shown = sagemaker.describe_model(ModelName="bare")
    same({key: shown["PrimaryContainer"][key] for key in container}, container)
    same(shown["ExecutionRoleArn"], role)
    duplicate = rejected(sagemaker.create_model, ModelName="bare", PrimaryContainer=container)
    same(duplicate.message, f'Cannot create already existing model "{PREFIX}model/bare".')
    groups = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    same([group["ModelPackageGroupName"] for group in groups], ["Digits"])
    names = [model["ModelName"] for model in sagemaker.list_models(SortBy="Name", SortOrder="Ascending")["Models"]]
    same(names, ["bare", "Packed"])


@check("tags are added, listed and deleted")
def _():
    for arn in [PACKAGE + "1", PREFIX + "model/bare", PREFIX + "model-package-group/digits"]:
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "ü"}])
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
        tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
        same((tags.get("a"), tags["c"]), (None, "ü"))
    for event in ["AddTags", "DeleteTags"]:
        same(trail_events(event), [("digits/1", "sagemaker"), ("bare", "sagemaker"), ("digits", "sagemaker")])
    rejection = rejected(sagemaker.add_tags, ResourceArn=PREFIX + "model/bare", Tags=[{"Key": "penstock:late", "Value": "no"}])
    same(rejection.code, "ValidationException")


@check("only an empty group can be deleted, and version numbers are never reused")
def _():
    full = rejected(sagemaker.delete_model_package_group, ModelPackageGroupName="digits")
    same(full.code, "ConflictException")
    for number in [4, 3]:
        sagemaker.delete_model_package(ModelPackageName=f"{PACKAGE}{number}")
    same(register(), PACKAGE + "5")
    for model in ["packed", "bare"]:
        sagemaker.delete_model(ModelName=model)
    missing = rejected(sagemaker.describe_model, ModelName="bare")
    same(missing.message, f'Could not find model "{PREFIX}model/bare".')
    for number in [1, 2, 5]:
        sagemaker.delete_model_package(ModelPackageName=f"{PACKAGE}{number}")
    sagemaker.delete_model_package_group(ModelPackageGroupName="digits")
    holds("does not exist", rejected(sagemaker.describe_model_package_group, ModelPackageGroupName="digits").message)
    holds(("Digits", "sagemaker"), trail_events("DeleteModelPackageGroup"))
    for event in ["CreateModelPackage", "UpdateModelPackage", "DeleteModelPackage"]:
        holds(("Digits/1", "sagemaker"), trail_events(event))


@check("invalid names and numbers are rejected with AWS's own messages")
def _():
    name = rejected(sagemaker.create_model_package_group, ModelPackageGroupName="a b!")
    holds("1 validation error detected: Value 'a b!' at 'modelPackageGroupName' failed to satisfy constraint", name.message)
    most = rejected(sagemaker.list_models, MaxResults=101)
    holds("Member must have value less than or equal to 100", most.message)
