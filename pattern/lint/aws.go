package lint

import (
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// The envelope of every EventBridge event. Replayed events have replay-name.
var envelope = tree{
	"version": {kind: kindString}, "id": {kind: kindString}, "detail-type": {kind: kindString}, "source": {kind: kindString},
	"account": {kind: kindString}, "time": {kind: kindString}, "region": {kind: kindString}, "resources": {kind: kindString},
	"detail": {kind: kindOpen}, "replay-name": {kind: kindString}, "ingestion-time": {kind: kindString},
}

// alert is what routes see; see the manual on rules and routes.
var alert = tree{
	"type": {kind: kindString}, "title": {kind: kindString}, "rule": {kind: kindString}, "level": {kind: kindString},
	"severity": {kind: kindNumber}, "account": {kind: kindString}, "account_name": {kind: kindString},
	"environment": {kind: kindString}, "team": {kind: kindString}, "region": {kind: kindString}, "partition": {kind: kindString},
	"resource": {kind: kindObject, below: tree{
		"type": {kind: kindString}, "id": {kind: kindString}, "name": {kind: kindString}, "tags": {kind: kindOpen},
	}},
	"actor": {kind: kindObject, below: tree{
		"ip": {kind: kindString}, "country": {kind: kindString}, "org": {kind: kindString}, "domain": {kind: kindString}, "principal": {kind: kindString},
	}},
	"count": {kind: kindNumber}, "sample": {kind: kindBool}, "status": {kind: kindString}, "paths": {kind: kindString},
}

// callFields are the fields of the detail of what comes via CloudTrail that do not
// depend on the call.
var callFields = tree{
	"eventVersion": {kind: kindString}, "eventTime": {kind: kindString}, "eventSource": {kind: kindString}, "eventName": {kind: kindString},
	"awsRegion": {kind: kindString}, "sourceIPAddress": {kind: kindString}, "userAgent": {kind: kindString},
	"errorCode": {kind: kindString}, "errorMessage": {kind: kindString}, "eventType": {kind: kindString}, "eventCategory": {kind: kindString},
	"recipientAccountId": {kind: kindString}, "requestID": {kind: kindString}, "eventID": {kind: kindString},
	"readOnly": {kind: kindBool}, "managementEvent": {kind: kindBool},
	"requestParameters": {kind: kindOpen}, "responseElements": {kind: kindOpen}, "resources": {kind: kindOpen},
	"additionalEventData": {kind: kindOpen}, "serviceEventDetails": {kind: kindOpen}, "insightDetails": {kind: kindOpen},
	"sharedEventID": {kind: kindString}, "vpcEndpointId": {kind: kindString}, "tlsDetails": {kind: kindOpen}, "sessionCredentialFromConsole": {kind: kindString},
	"userIdentity": {kind: kindObject, below: tree{
		"type": {kind: kindString}, "principalId": {kind: kindString}, "arn": {kind: kindString}, "accountId": {kind: kindString},
		"accessKeyId": {kind: kindString}, "userName": {kind: kindString}, "invokedBy": {kind: kindString}, "identityProvider": {kind: kindString},
		"sessionContext": {kind: kindObject, below: tree{
			"attributes": {kind: kindObject, below: tree{
				"mfaAuthenticated": {kind: kindString}, "creationDate": {kind: kindString},
			}},
			"sessionIssuer": {kind: kindOpen}, "webIdFederationData": {kind: kindOpen}, "ec2RoleDelivery": {kind: kindString}, "sourceIdentity": {kind: kindString},
		}},
		"onBehalfOf": {kind: kindOpen}, "inScopeOf": {kind: kindOpen}, "credentialId": {kind: kindString},
	}},
}

const (
	guardDuty     = "aws.guardduty"
	finding       = "GuardDuty Finding"
	callDetail    = "AWS API Call via CloudTrail"
	signInDetail  = "AWS Console Sign In via CloudTrail"
	serviceDetail = "AWS Service Event via CloudTrail"
)

// anySource is of detail-types that every service of AWS sends.
const anySource = "aws."

// detailTypesOf are detail-types with the source they come from. All of GuardDuty's
// are there.
var detailTypesOf = map[string]string{
	finding: guardDuty,
	"GuardDuty Malware Protection Object Scan Result":      guardDuty,
	"GuardDuty Malware Protection Post Scan Action Failed": guardDuty,
	"GuardDuty Malware Protection Resource Status Active":  guardDuty,
	"GuardDuty Malware Protection Resource Status Warning": guardDuty,
	"GuardDuty Malware Protection Resource Status Error":   guardDuty,
	"GuardDuty Runtime Protection Healthy":                 guardDuty,
	"GuardDuty Runtime Protection Unhealthy":               guardDuty,

	callDetail: anySource, serviceDetail: anySource,
	signInDetail:                 "aws.signin",
	"AWS Insight via CloudTrail": "aws.cloudtrail",

	"Access Analyzer Finding": "aws.access-analyzer",
	"AWS Health Event":        "aws.health", "AWS Health Abuse Event": "aws.health",
	"CloudWatch Alarm State Change":                "aws.cloudwatch",
	"CodeBuild Build State Change":                 "aws.codebuild",
	"CodePipeline Pipeline Execution State Change": "aws.codepipeline",
	"Config Rules Compliance Change":               "aws.config", "Config Configuration Item Change": "aws.config",
	"EBS Snapshot Notification": "aws.ec2", "EBS Volume Notification": "aws.ec2",
	"EC2 Instance State-change Notification":          "aws.ec2",
	"EC2 Spot Instance Interruption Warning":          "aws.ec2",
	"EC2 Instance Launch Successful":                  "aws.autoscaling",
	"EC2 Instance Launch Unsuccessful":                "aws.autoscaling",
	"EC2 Instance Terminate Successful":               "aws.autoscaling",
	"EC2 Instance Terminate Unsuccessful":             "aws.autoscaling",
	"ECR Image Action":                                "aws.ecr",
	"ECR Image Scan":                                  "aws.ecr",
	"ECS Container Instance State Change":             "aws.ecs",
	"ECS Task State Change":                           "aws.ecs",
	"Glue Job State Change":                           "aws.glue",
	"Inspector2 Coverage":                             "aws.inspector2",
	"Inspector2 Finding":                              "aws.inspector2",
	"Inspector2 Scan":                                 "aws.inspector2",
	"KMS CMK Deletion":                                "aws.kms",
	"KMS CMK Rotation":                                "aws.kms",
	"KMS Imported Key Material Expiration":            "aws.kms",
	"Macie Alert":                                     "aws.macie",
	"Macie Finding":                                   "aws.macie",
	"Object Created":                                  "aws.s3",
	"Object Deleted":                                  "aws.s3",
	"RDS DB Cluster Event":                            "aws.rds",
	"RDS DB Instance Event":                           "aws.rds",
	"Scheduled Event":                                 "aws.events",
	"Security Hub Findings - Custom Action":           "aws.securityhub",
	"Security Hub Findings - Imported":                "aws.securityhub",
	"Security Hub Insight Results":                    "aws.securityhub",
	"Step Functions Execution Status Change":          "aws.states",
	"Support Case Update":                             "aws.support",
	"Tag Change on Resource":                          "aws.tag",
	"Trusted Advisor Check Item Refresh Notification": "aws.trustedadvisor",
}

// knownDetailTypes are the keys of detailTypesOf, sorted.
var knownDetailTypes = slices.Sorted(maps.Keys(detailTypesOf))

// services are those of which events come, without "aws.".
var services = strings.Fields(`
	access-analyzer account acm acm-pca apigateway appconfig appflow application-autoscaling apprunner appsync artifact athena
	auditmanager autoscaling backup batch bedrock bedrock-agentcore budgets chime cloud9 cloudformation cloudfront cloudhsm
	cloudshell cloudtrail cloudwatch codeartifact codebuild codecommit codeconnections codedeploy codepipeline cognito-idp
	cognito-identity cognito-sync config connect controltower datasync detective devops-guru dlm dms ds dynamodb ec2 ec2fleet
	ec2spotfleet ecr ecr-public ecs eks elasticache elasticbeanstalk elasticfilesystem elasticloadbalancing elasticmapreduce
	emr emr-containers emr-serverless es events firehose fis fms fsx gamelift glacier globalaccelerator glue guardduty health
	iam identitystore imagebuilder inspector inspector2 iot kafka kinesis kms lakeformation lambda license-manager lightsail
	logs macie macie2 mediaconvert medialive monitoring mq neptune network-firewall networkmanager opensearch opsworks
	organizations pipes proton quicksight ram rds redshift resource-explorer-2 resource-groups rolesanywhere route53
	route53domains route53resolver s3 sagemaker scheduler schemas secretsmanager securityhub securitylake serverlessrepo
	servicecatalog servicequotas ses shield signin sms sns sqs ssm sso sso-directory states storagegateway sts support swf
	synthetics tag tagging textract transcribe transfer translate trustedadvisor vpc-lattice waf waf-regional wafv2
	wellarchitected workmail workspaces xray`)

// plainWords are services whose names other people's sources have too.
var plainWords = strings.Fields(`account artifact backup batch budgets chime config connect detective events health logs monitoring
	pipes proton scheduler schemas shield signin states support tag tagging transfer translate`)

// knownSources are services with "aws." before them.
var knownSources = strings.Fields("aws." + strings.Join(services, " aws."))

// regions as of September 2026.
var regions = strings.Fields(`
	af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1
	ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1
	cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-isoe-west-1 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2
	eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1
	us-gov-west-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 us-isob-west-1 us-isof-east-1 us-isof-south-1 us-west-1 us-west-2`)

var (
	regionForm      = lazyregexp.New(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	accountForm     = lazyregexp.New(`^[0-9]{12}$`)
	findingTypeForm = lazyregexp.New(`^[A-Z][A-Za-z]+:[A-Z][A-Za-z0-9]+/`)
)

// allowedSource reports whether a leaf takes a source that sends a detail-type.
func (l *linter) allowedSource(src *leaf, source string) bool {
	if source != anySource {
		return l.takes(src, source)
	}
	if l.open(src) {
		return true
	}
	for _, s := range src.strings() {
		if strings.HasPrefix(s.text, anySource) {
			return true
		}
	}
	return slices.ContainsFunc(knownSources, func(s string) bool { return l.takes(src, s) })
}
