/** What the user brings, and the construct then does not create: a cluster, subnets, roles, log groups, a key. */
import { Match } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import { emptyStack, givenCluster, joined, poolConfigs, synthesize } from './synthesize.ts';

describe('what the user brings', () => {
  test('a cluster: its private subnets are used, and no network or cluster is created', () => {
    const { template } = synthesize((scope) => ({ cluster: givenCluster(scope) }));
    template.resourceCountIs('AWS::EC2::VPC', 0);
    template.resourceCountIs('AWS::ECS::Cluster', 0);
    template.allResourcesProperties('AWS::ECS::Service', {
      Cluster: 'platform',
      NetworkConfiguration: {
        AwsvpcConfiguration: {
          AssignPublicIp: 'DISABLED',
          Subnets: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
        },
      },
    });
  });

  test('subnets and security groups', () => {
    const { template } = synthesize((scope) => ({
      vpc: givenCluster(scope).vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
      securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(scope, 'Group', 'sg-0123456789abcdef0')],
    }));
    template.resourceCountIs('AWS::EC2::SecurityGroup', 0);
    template.allResourcesProperties('AWS::ECS::Service', {
      NetworkConfiguration: {
        AwsvpcConfiguration: {
          AssignPublicIp: 'ENABLED',
          Subnets: ['subnet-0123456789abcdef2', 'subnet-0123456789abcdef3'],
          SecurityGroups: ['sg-0123456789abcdef0'],
        },
      },
    });
  });

  test('roles and log groups: no others are created', () => {
    const arn = 'arn:aws:iam::123456789012:role';
    const { template } = synthesize((scope) => ({
      scalerRole: iam.Role.fromRoleArn(scope, 'ScalerRole', `${arn}/scaler`),
      scalerLogGroup: logs.LogGroup.fromLogGroupName(scope, 'ScalerLogs', 'scaler'),
      pools: {
        own: {
          taskQueue: 'q',
          taskRole: iam.Role.fromRoleArn(scope, 'TaskRole', `${arn}/worker`),
          taskRoleId: 'AROAEXAMPLE',
          executionRole: iam.Role.fromRoleArn(scope, 'ExecutionRole', `${arn}/execution`),
          logGroup: logs.LogGroup.fromLogGroupName(scope, 'Logs', 'workers'),
        },
      },
    }));
    template.resourceCountIs('AWS::Logs::LogGroup', 0);
    expect(Object.keys(template.findResources('AWS::IAM::Role'))).toEqual([expect.stringContaining('InvokeRole')]);
    expect(poolConfigs(template)).toMatchObject([{ taskRoleId: 'AROAEXAMPLE' }]);
    template.hasResourceProperties('AWS::IAM::Policy', { Roles: ['worker'] });
  });

  test('a key, for the table, the logs and the scaler’s environment', () => {
    const { template } = synthesize((scope) => ({ encryptionKey: new kms.Key(scope, 'Key') }));
    const key = { 'Fn::GetAtt': [Match.stringLikeRegexp('^Key'), 'Arn'] };
    template.hasResourceProperties('AWS::DynamoDB::Table', { SSESpecification: { KMSMasterKeyId: key } });
    template.allResourcesProperties('AWS::Logs::LogGroup', { KmsKeyId: key });
    template.hasResourceProperties('AWS::Lambda::Function', { KmsKeyArn: key });
    template.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([Match.objectLike({ Principal: { Service: Match.stringLikeRegexp('logs') } })]),
      },
    });
  });

  test('a Temporal inside the VPC: the scaler is there too, and both may connect', () => {
    const stack = emptyStack();
    const server = ec2.SecurityGroup.fromSecurityGroupId(stack, 'Server', 'sg-0123456789abcdef1');
    const result = synthesize(
      { cluster: givenCluster(stack), scalerVpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS } },
      stack,
    );
    result.workers.connections.allowTo(server, ec2.Port.tcp(7233));
    const { template } = result;
    template.hasResourceProperties('AWS::Lambda::Function', {
      VpcConfig: { SubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'] },
    });
    const ingress = Object.values(template.findResources('AWS::EC2::SecurityGroupIngress'));
    const sources = ingress.map(({ Properties }) => joined(Properties.SourceSecurityGroupId));
    expect(sources).toEqual([expect.stringContaining('WorkerSecurityGroup'), expect.stringContaining('Scaler')]);
    expect(ingress.map(({ Properties }) => [Properties.GroupId, Properties.FromPort])).toEqual([
      ['sg-0123456789abcdef1', 7233],
      ['sg-0123456789abcdef1', 7233],
    ]);
  });
});
