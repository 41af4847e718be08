/**
 * Modules that strategies import and none changes: evaluated once per sandbox instead of once per workflow (which took two thirds of
 * a short workflow's time). Named one by one, because the bundler leaves out unused imports.
 */
import './sandbox-globals.ts';
import { TemporalProvider } from '@temporalio/ai-sdk/workflow';
import { generateText, Output } from 'ai';
import { z } from 'zod';

export const shared = Object.freeze([TemporalProvider, generateText, Output, z.object, z.enum, z.string, z.number]);
