/**
 * What strategies import and none changes: evaluated once in a sandbox instead of once in each workflow (which cost two
 * thirds of a short workflow's time). Named one by one, since the bundler leaves out what is imported but not used.
 */
import './sandbox-globals.ts';
import { TemporalProvider } from '@temporalio/ai-sdk/workflow';
import { generateText, Output } from 'ai';
import { z } from 'zod';

export const shared = Object.freeze([TemporalProvider, generateText, Output, z.object, z.enum, z.string, z.number]);
