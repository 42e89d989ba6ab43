"""Groups, packages, Models and tags as boto3 calls them; `given["model"]` is an ONNX file of ten features."""

import datetime
import io
import tarfile

from checks import check, client, given, holds, refused, same, told

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
    given_url = url or put("model.tar.gz", archive({"m/model.onnx": onnx, "code/inference.py": b"pass"}))
    answer = sagemaker.create_model_package(ModelPackageGroupName=group, InferenceSpecification=specification(given_url), **more)
    return answer["ModelPackageArn"]


@check("a group is made, described with its unicode, and made only once")
def _():
    s3.create_bucket(Bucket="models")
    made = sagemaker.create_model_package_group(
        ModelPackageGroupName="Digits", ModelPackageGroupDescription="Ziffern 数字 🌊", Tags=[{"Key": "team", "Value": "a b"}]
    )
    same(made["ModelPackageGroupArn"], PREFIX + "model-package-group/digits")
    shown = sagemaker.describe_model_package_group(ModelPackageGroupName=made["ModelPackageGroupArn"])
    same(shown["ModelPackageGroupDescription"], "Ziffern 数字 🌊")
    same((shown["ModelPackageGroupName"], shown["ModelPackageGroupStatus"]), ("Digits", "Completed"))
    same(shown["CreationTime"].tzinfo is not None, True)
    again = refused(sagemaker.create_model_package_group, ModelPackageGroupName="digits")
    same((again.status, again.code), (400, "ValidationException"))
    same(again.message, f"Model Package Group already exists: {PREFIX}model-package-group/digits")


@check("a group that is not there is refused in the words that clients look for")
def _():
    refusal = refused(sagemaker.describe_model_package_group, ModelPackageGroupName="nobody")
    same(refusal.code, "ValidationException")
    holds("does not exist", refusal.message)


@check("a package is registered from a .tar.gz in S3 and shows what was given and what was found")
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


@check("a file that is no model makes a package that is Failed and says why")
def _():
    arn = register(put("bad.onnx", b"this is not a model, whatever its name says"))
    same(arn, PACKAGE + "2")
    shown = sagemaker.describe_model_package(ModelPackageName=arn)
    same(shown["ModelPackageStatus"], "Failed")
    [status] = shown["ModelPackageStatusDetails"]["ValidationStatuses"]
    same(status["Status"], "Failed")
    holds("not a model", status["FailureReason"])


@check("what cannot be used is refused, each with its reason, and takes no number")
def _():
    for url, reason in [
        ("s3://models/none.onnx", "Could not find model data at s3://models/none.onnx."),
        (put("two.tar.gz", archive({"a.onnx": onnx, "b.onnx": onnx})), "2 .onnx files, exactly one is expected: a.onnx, b.onnx"),
        (put("none.tar.gz", archive({"a.pkl": b"x"})), "no .onnx file"),
        (put("evil.tar.gz", archive({"../m.onnx": onnx})), "leads out of its folder"),
        (put("cut.tar.gz", archive({"m.onnx": onnx})[:-20]), "cut off"),
    ]:
        refusal = refused(
            sagemaker.create_model_package, ModelPackageGroupName="digits", InferenceSpecification=specification(url)
        )
        same(refusal.code, "ValidationException")
        holds(reason, refusal.message)
    unknown = {"Containers": [{"Image": "nobody/knows:1", "ModelDataUrl": "s3://models/model.tar.gz"}]}
    refusal = refused(sagemaker.create_model_package, ModelPackageGroupName="digits", InferenceSpecification=unknown)
    holds("images table", refusal.message)
    both = refused(sagemaker.create_model_package, ModelPackageGroupName="digits", ModelPackageName="x")
    same(both.message.startswith("Both ModelPackageName and ModelPackageGroupName are provided in the input."), True)
    same(register(), PACKAGE + "3")


@check("a call that is sent twice with one token makes one package")
def _():
    first = register(ClientToken="once")
    same(register(ClientToken="once"), first)


@check("approval, its words, metadata and who changed it come back")
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
    refusal = refused(sagemaker.update_model_package, ModelPackageArn=arn, ModelApprovalStatus="PendingManualApproval")
    same(refusal.code, "ValidationException")


@check("many packages come in pages, each once, by approval and by group")
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
    refusal = refused(sagemaker.list_model_packages, ModelPackageGroupName="digits", NextToken="made up")
    same(refusal.code, "ValidationException")
    holds("NextToken", refusal.message)


@check("several are described at once, and a missing one says so")
def _():
    answer = sagemaker.batch_describe_model_package(ModelPackageArnList=[PACKAGE + "1", PACKAGE + "9"])
    same(list(answer["ModelPackageSummaries"]), [PACKAGE + "1"])
    same(answer["BatchDescribeModelPackageErrorMap"][PACKAGE + "9"]["ErrorCode"], "ValidationException")


@check("a Model is made of an Approved package only")
def _():
    pending = refused(sagemaker.create_model, ModelName="early", PrimaryContainer={"ModelPackageName": PACKAGE + "3"})
    holds("only an Approved one can be deployed", pending.message)
    made = sagemaker.create_model(ModelName="Packed", PrimaryContainer={"ModelPackageName": PACKAGE + "1"})
    same(made["ModelArn"], PREFIX + "model/packed")
    same(sagemaker.describe_model(ModelName="packed")["PrimaryContainer"]["ModelPackageName"], PACKAGE + "1")


@check("a Model is made of a container, shown as it was given, and refused a second time")
def _():
    container = {"Image": "penstock/onnx", "ModelDataUrl": put("bare.onnx", onnx), "Environment": {"A": "b"}}
    role = "arn:aws:iam::000000000000:role/any"
    sagemaker.create_model(ModelName="bare", PrimaryContainer=container, ExecutionRoleArn=role)
    shown = sagemaker.describe_model(ModelName="bare")
    same({key: shown["PrimaryContainer"][key] for key in container}, container)
    same(shown["ExecutionRoleArn"], role)
    again = refused(sagemaker.create_model, ModelName="bare", PrimaryContainer=container)
    same(again.message, f'Cannot create already existing model "{PREFIX}model/bare".')
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
    for deed in ["AddTags", "DeleteTags"]:
        same(told(deed), [("digits/1", "sagemaker"), ("bare", "sagemaker"), ("digits", "sagemaker")])
    refusal = refused(sagemaker.add_tags, ResourceArn=PREFIX + "model/bare", Tags=[{"Key": "penstock:late", "Value": "no"}])
    same(refusal.code, "ValidationException")


@check("a group with packages is kept, an empty one goes, and numbers are never given twice")
def _():
    full = refused(sagemaker.delete_model_package_group, ModelPackageGroupName="digits")
    same(full.code, "ConflictException")
    for number in [4, 3]:
        sagemaker.delete_model_package(ModelPackageName=f"{PACKAGE}{number}")
    same(register(), PACKAGE + "5")
    for model in ["packed", "bare"]:
        sagemaker.delete_model(ModelName=model)
    gone = refused(sagemaker.describe_model, ModelName="bare")
    same(gone.message, f'Could not find model "{PREFIX}model/bare".')
    for number in [1, 2, 5]:
        sagemaker.delete_model_package(ModelPackageName=f"{PACKAGE}{number}")
    sagemaker.delete_model_package_group(ModelPackageGroupName="digits")
    holds("does not exist", refused(sagemaker.describe_model_package_group, ModelPackageGroupName="digits").message)
    holds(("Digits", "sagemaker"), told("DeleteModelPackageGroup"))
    for deed in ["CreateModelPackage", "UpdateModelPackage", "DeleteModelPackage"]:
        holds(("Digits/1", "sagemaker"), told(deed))


@check("names and numbers out of bounds are refused as AWS words it")
def _():
    name = refused(sagemaker.create_model_package_group, ModelPackageGroupName="a b!")
    holds("1 validation error detected: Value 'a b!' at 'modelPackageGroupName' failed to satisfy constraint", name.message)
    most = refused(sagemaker.list_models, MaxResults=101)
    holds("Member must have value less than or equal to 100", most.message)
